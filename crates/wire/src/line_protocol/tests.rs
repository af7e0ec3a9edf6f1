//! The reader against the written rules, the printer, and a slow twin.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use bellwether_model::TimestampMs;

/// Everything a body says, or why a line of it was refused, as text.
fn read(body: &[u8], precision: Precision) -> String {
    let mut out = String::new();
    for (number, line) in Lines::new(body) {
        match parse_line(number, line, precision) {
            Ok((head, fields, time)) => {
                let _ = write!(out, "{number}: {:?}", head.measurement);
                for (tag, value) in &head.tags {
                    let _ = write!(out, " {tag:?}={value:?}");
                }
                for field in &fields {
                    let _ = write!(out, " | {:?} {:?}", field.name().unwrap(), field.value);
                }
                let time = time.map_or("-".into(), |t| t.0.to_string());
                let _ = writeln!(out, " @ {time}");
            }
            Err(e) => {
                let _ = writeln!(out, "{}:{}: {}", e.line, e.column, e.kind);
            }
        }
    }
    out
}

#[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
fn check(body: &str, want: Expect) {
    want.assert_eq(&read(body.as_bytes(), Precision::Nanoseconds));
}

#[test]
fn escapes_of_every_kind() {
    check(
        r#"my\ m,t\ 1=a\,b,t\=2=c\ d f\ 1=1i,s="q\"x\\",b=T 1700000000000000000"#,
        expect![[r#"
            1: "my m" "t 1"="a,b" "t=2"="c d" | "f 1" Integer(1) | "s" Text([113, 92, 34, 120, 92, 92]) | "b" Boolean(true) @ 1700000000000
        "#]],
    );
    let (_, fields, _) = parse_line(1, br#"m s="q\"x\\\y""#, Precision::Auto).unwrap();
    assert_eq!(fields[0].value.text().as_deref(), Some(r#"q"x\\y"#));
    check(
        r"m\x,a\=b=c\\\,d f\,\==1",
        expect![[r#"
            1: "m\\x" "a=b"="c\\\\,d" | "f,=" Float(1.0) @ -
        "#]],
    );
}

#[test]
fn lines_are_counted_with_comments_and_blanks() {
    check(
        "# one\n\n   \n  m f=1  \r\n\tm f=2   7000000   \r\n  # six\nm   f=3\n",
        expect![[r#"
            4: "m" | "f" Float(1.0) @ -
            5: "m" | "f" Float(2.0) @ 7
            7: "m" | "f" Float(3.0) @ -
        "#]],
    );
}

#[test]
fn values() {
    check(
        "m a=1,b=1.0,c=-1.2e+78,d=12i,e=-9223372036854775808i,f=18446744073709551615u\n\
         m a=.5,b=5.,c=-0,d=0.1,e=123456789012345.678,f=1E5,g=-0.0\n\
         m a=t,b=T,c=true,d=True,e=TRUE,f=f,g=F,h=false,i=False,j=FALSE\n\
         m a=999999999999999,b=9999999999999999,c=1234567890123456789i,d=0.000000000000001\n",
        expect![[r#"
            1: "m" | "a" Float(1.0) | "b" Float(1.0) | "c" Float(-1.2e78) | "d" Integer(12) | "e" Integer(-9223372036854775808) | "f" Unsigned(18446744073709551615) @ -
            2: "m" | "a" Float(0.5) | "b" Float(5.0) | "c" Float(-0.0) | "d" Float(0.1) | "e" Float(123456789012345.67) | "f" Float(100000.0) | "g" Float(-0.0) @ -
            3: "m" | "a" Boolean(true) | "b" Boolean(true) | "c" Boolean(true) | "d" Boolean(true) | "e" Boolean(true) | "f" Boolean(false) | "g" Boolean(false) | "h" Boolean(false) | "i" Boolean(false) | "j" Boolean(false) @ -
            4: "m" | "a" Float(999999999999999.0) | "b" Float(1e16) | "c" Integer(1234567890123456789) | "d" Float(1e-15) @ -
        "#]],
    );
}

#[test]
fn mistakes_are_named_where_they_stand() {
    check(
        &[
            "m,t= f=1",
            "m f=1x",
            "m,a=1,a=2 f=1",
            "m",
            r#"m f="open"#,
            "m f=NaN",
            r"m\ f=1",
            ",a=1 f=1",
            "m,=1 f=1",
            "m, f=1",
            "m,a f=1",
            "m,a=b=c f=1",
            r"m,a=b\ f=1",
            "m f",
            "m f=",
            "m =1",
            "m f=1,",
            "m f=1, 5",
            "m f=1,g 5",
            "m f=1 x",
            "m f=1 1 2",
            "m f=1 -",
            "m f=1 9223372036854775808",
            "m f=9223372036854775808i",
            "m f=-9223372036854775809i",
            "m f=18446744073709551616u",
            "m f=-1u",
            "m f=1e400",
            "m f=inf",
            "m f=-inf",
            "m f=+1",
            "m f=.",
            "m f=-",
            "m f=1.5i",
            "m f=1ii",
            "m f=0x10",
            "m f=tru",
            r#"m f="a"b"#,
            r"m\,a=1 f=1,=2",
        ]
        .join("\n"),
        expect![[r#"
            1:5: missing tag value
            2:5: invalid number: 1x
            3:7: duplicate tags: a
            4:2: missing fields
            5:5: unbalanced quotes
            6:5: invalid field value: NaN
            7:7: missing fields
            8:1: missing measurement
            9:3: missing tag key
            10:3: missing tag key
            11:3: missing tag value
            12:6: invalid tag format: unescaped `=` in a tag value
            13:11: missing fields
            14:3: missing field value
            15:5: missing field value
            16:3: missing field key
            17:7: missing field key
            18:7: missing field key
            19:8: missing field value
            20:7: bad timestamp: x
            21:7: bad timestamp: 1
            22:7: bad timestamp: -
            23:7: timestamp out of range: 9223372036854775808
            24:5: number out of range: 9223372036854775808i
            25:5: number out of range: -9223372036854775809i
            26:5: number out of range: 18446744073709551616u
            27:5: number out of range: -1u
            28:5: number out of range: 1e400
            29:5: invalid field value: inf
            30:5: invalid number: -inf
            31:5: invalid field value: +1
            32:5: invalid number: .
            33:5: invalid number: -
            34:5: invalid number: 1.5i
            35:5: invalid number: 1ii
            36:5: invalid number: 0x10
            37:5: invalid field value: tru
            38:5: invalid field value: "a"b
            39:12: missing field key
        "#]],
    );
}

#[test]
fn a_refused_line_is_shown_clipped_at_a_character() {
    let line = format!("m f={}", "ü".repeat(300));
    let error = parse_line(3, line.as_bytes(), Precision::Auto).unwrap_err();
    assert!(
        error.text.ends_with("ü…") && error.text.len() < 270,
        "{}",
        error.text
    );
    assert!(error.to_string().starts_with("unable to parse 'm f=ü"));
    assert!(
        error
            .to_string()
            .contains("line 3, column 5: invalid field value: ü")
    );
    let error = parse_line(1, b"m\xff f=1", Precision::Auto).unwrap_err();
    assert_eq!((error.kind, error.column), (FaultKind::Utf8, 2));
}

#[test]
fn precisions_round_down_and_refuse_what_does_not_fit() {
    for (precision, raw, want) in [
        ("n", 1_999_999, Some(1)),
        ("ns", -1, Some(-1)),
        ("u", -1001, Some(-2)),
        ("us", 1999, Some(1)),
        ("ms", -7, Some(-7)),
        ("s", 7, Some(7000)),
        ("m", 2, Some(120_000)),
        ("h", -1, Some(-3_600_000)),
        ("s", i64::MAX / 1000 + 1, None),
        ("h", i64::MIN, None),
        ("auto", 1_700_000_000, Some(1_700_000_000_000)),
        ("auto", 1_700_000_000_000, Some(1_700_000_000_000)),
        ("auto", 1_700_000_000_000_000, Some(1_700_000_000_000)),
        ("auto", 1_700_000_000_000_000_000, Some(1_700_000_000_000)),
        ("auto", i64::MIN, Some(-9_223_372_036_855)),
    ] {
        let got = Precision::parse(precision).unwrap().to_ms(raw);
        assert_eq!(got, want.map(TimestampMs), "{raw} {precision}");
    }
    assert_eq!(Precision::parse("d"), None);
}

/// The series a line becomes, or why it becomes none.
fn series(line: &str, mapping: &Mapping) -> String {
    let (head, fields, _) = parse_line(1, line.as_bytes(), Precision::Auto).unwrap();
    let mut shared = match mapping.shared_labels(&head) {
        Ok(shared) => shared,
        Err(fault) => return fault.kind.to_string(),
    };
    let one = |f: &Field<'_>| match mapping.series(&mut shared, &head, f.key) {
        Ok(labels) => labels.to_string(),
        Err(fault) => fault.kind.to_string(),
    };
    fields.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn lines_become_series() {
    let plain = Mapping::default();
    assert_eq!(
        series("cpu,host=a,az=b user=1,system=2", &plain),
        r#"cpu_user{az="b", host="a"} cpu_system{az="b", host="a"}"#
    );
    assert_eq!(
        series(r"1.disk\ io,host.name=a,2x=b read-bytes=1", &plain),
        r#"_1_disk_io_read_bytes{_2x="b", host_name="a"}"#
    );
    assert_eq!(
        series("m,__name__=x,__tenant__=y,-.z=q,a=1 f=1", &plain),
        r#"m_f{a="1"}"#,
        "reserved labels are dropped, also when a replacement makes one"
    );
    let request = Mapping {
        db: Some("metrics".into()),
        extra: vec![("env".into(), "prod".into())],
    };
    assert_eq!(
        series("m,env=dev f=1", &request),
        r#"m_f{db="metrics", env="prod"}"#
    );
    assert_eq!(
        series("m,db=mine f=1", &request),
        r#"m_f{db="mine", env="prod"}"#
    );
}

#[test]
fn what_is_wrong_with_a_tag_is_told_where_it_stands() {
    let long = |n: usize| "x".repeat(n);
    for (line, column) in [
        (format!("m,{}=1 f=1", long(257)), 3),
        (format!("m,a={} f=1", long(4097)), 5),
        (format!("m\\,n,a\\=b=1,cc={} f=1", long(4097)), 16),
        ("m,a.b=1,a_b=2 f=1".into(), 9),
    ] {
        let head = Cursor::new(line.as_bytes()).unwrap().series_key();
        let head = Head::parse(head).unwrap();
        let fault = Mapping::default().shared_labels(&head).unwrap_err();
        let error = fault.at_line(1, line.as_bytes());
        assert_eq!(error.column, column, "{error:.80}");
    }
}

#[test]
fn names_and_values_have_limits() {
    let plain = Mapping::default();
    let long = |n: usize| "x".repeat(n);
    for (line, want) in [
        (
            format!("m,{}=1 f=1", long(257)),
            "a tag's name is 257 bytes, the limit label.max_name is 256",
        ),
        (
            format!("m,a={} f=1", long(5120)),
            "a tag's value is 5120 bytes, the limit label.max_value is 4096",
        ),
        (
            format!("{} f=1", long(255)),
            "the metric's name is 257 bytes, the limit metric.max_name is 256",
        ),
        (
            format!(
                "m{} f=1",
                (0..64).fold(String::new(), |tags, i| tags + &format!(",t{i}=v"))
            ),
            "the number of labels is 65, the limit labels.max is 64",
        ),
        (
            "m,a.b=1,a_b=2 f=1".into(),
            "duplicate tags: a.b and a_b both become the label a_b",
        ),
    ] {
        assert_eq!(series(&line, &plain), want);
    }
    let line = format!("m f=\"{}\"", long(64 * 1024));
    let fault = Cursor::new(line.as_bytes()).unwrap_err();
    assert_eq!(
        fault.kind.to_string(),
        "the line is 65542 bytes, the limit ingest.max_line is 65536"
    );
    assert_eq!(fault.kind.code(), "ingest.max_line");
}

#[test]
fn guesses_never_change_what_is_read() {
    let line = b"m a=1,ab=2,a\\=b=3";
    for guess in [
        &b""[..],
        b"a",
        b"ab",
        b"a\\",
        b"a\\=b",
        b"a=1,ab",
        b"m",
        b"a=1,ab=2,a\\=b=3",
    ] {
        let mut cursor = Cursor::new(line).unwrap();
        let mut keys = Vec::new();
        while let Ok(Some(field)) = cursor.field(if keys.is_empty() { b"" } else { guess }) {
            keys.push(field.key);
        }
        assert_eq!(keys, [&b"a"[..], b"ab", b"a\\=b"], "{guess:?}");
    }
}

fn any_name() -> impl Strategy<Value = String> {
    r##"[a-zA-Z0-9_.\-,= \\"#äß漢]{0,8}[a-z0-9,= ]"##
}

#[derive(Clone, Debug)]
enum Value {
    Float(f64),
    Integer(i64),
    Unsigned(u64),
    Boolean(bool),
}

fn any_value() -> impl Strategy<Value = Value> {
    let finite = any::<u64>()
        .prop_map(f64::from_bits)
        .prop_filter("finite", |v| v.is_finite());
    let decimal = (any::<i32>(), 0..9).prop_map(|(n, e)| f64::from(n) / 10f64.powi(e));
    prop_oneof![
        finite.prop_map(Value::Float),
        decimal.prop_map(Value::Float),
        any::<i64>().prop_map(Value::Integer),
        any::<u64>().prop_map(Value::Unsigned),
        any::<bool>().prop_map(Value::Boolean),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(
        measurement in any_name(),
        tags in proptest::collection::btree_map(any_name(), any_name(), 0..4),
        fields in proptest::collection::vec((any_name(), any_value()), 1..5),
        time in proptest::option::of(any::<i64>()),
    ) {
        let tags: Vec<(&str, &str)> = tags.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let values: Vec<(&str, FieldValue<'_>)> = fields.iter().map(|(name, v)| (name.as_str(), match v {
            Value::Float(v) => FieldValue::Float(*v),
            Value::Integer(v) => FieldValue::Integer(*v),
            Value::Unsigned(v) => FieldValue::Unsigned(*v),
            Value::Boolean(v) => FieldValue::Boolean(*v),
        })).collect();
        let mut text = String::new();
        let printed = print_line(&mut text, &measurement, &tags, &values, time);
        if measurement.starts_with('#') {
            prop_assert_eq!(printed, Err(PrintError::Name));
            prop_assert!(text.is_empty());
            return Ok(());
        }
        prop_assert_eq!(printed, Ok(()));
        let (number, line) = Lines::new(text.as_bytes()).next().unwrap();
        let (head, read, at) = parse_line(number, line, Precision::Milliseconds)
            .map_err(|e| TestCaseError::fail(format!("{text:?}: {e}")))?;
        prop_assert_eq!(&*head.measurement, measurement.as_str());
        let read_tags: Vec<(&str, &str)> = head.tags.iter().map(|(n, v)| (&**n, &**v)).collect();
        prop_assert_eq!(read_tags, tags);
        prop_assert_eq!(at.map(|t| t.0), time);
        prop_assert_eq!(read.len(), values.len());
        for (got, (name, want)) in read.iter().zip(&values) {
            let got_name = got.name().unwrap();
            prop_assert_eq!(&*got_name, *name);
            match (got.value, *want) {
                (FieldValue::Float(a), FieldValue::Float(b)) => prop_assert_eq!(a.to_bits(), b.to_bits()),
                (a, b) => prop_assert_eq!(a, b),
            }
        }
    }

    #[test]
    fn decimals_are_read_as_the_standard_library_reads_them(text in "-?[0-9]{0,20}(\\.[0-9]{0,20})?(e-?[0-9]{1,3})?") {
        let line = format!("m f={text}");
        let got = parse_line(1, line.as_bytes(), Precision::Auto).map(|(_, f, _)| f[0].value.sample().unwrap());
        match text.parse::<f64>() {
            Ok(want) if want.is_finite() => prop_assert_eq!(got.map(f64::to_bits), Ok(want.to_bits())),
            _ => prop_assert!(got.is_err(), "{} was read as {:?}", text, got),
        }
    }
}
