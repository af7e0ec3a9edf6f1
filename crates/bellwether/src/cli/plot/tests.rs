use expect_test::{Expect, expect};

use super::*;

/// Values by the minute.
type Values<'a> = &'a dyn Fn(i64) -> Option<f64>;
type Series<'a> = (&'a str, Values<'a>);

/// An hour of values, one a minute, as an answer.
fn answer(series: &[Series<'_>]) -> Value {
    let rows = series.iter().map(|(name, value)| {
        let samples = (0..=60).filter_map(|i| {
            let text = bellwether_model::value::format_value(value(i)?);
            Some(serde_json::json!([i * 60, text]))
        });
        serde_json::json!({"metric": {"__name__": name}, "values": samples.collect::<Vec<_>>()})
    });
    serde_json::json!({"resultType": "matrix", "result": rows.collect::<Vec<_>>()})
}

const HOUR: Range = Range {
    from: 0,
    to: 3_600_000,
    step: 60_000,
};

const STYLE: Style = Style {
    width: 60,
    color: false,
    zone: Zone::Utc,
};

fn check(data: &Value, range: Option<Range>, expect: Expect) {
    expect.assert_eq(&plot(data, range, STYLE).unwrap());
}

#[test]
fn lines_end_at_their_letters_and_a_gap_stays_one() {
    let up = |i: i64| Some(i as f64);
    let down = |i: i64| (!(20..30).contains(&i)).then_some(30.0 - i as f64);
    let data = answer(&[("up", &up), ("down", &down)]);
    check(
        &data,
        Some(HOUR),
        expect![[r"
         60 ┤                                                ⣀⣀⠤⠒⠊ a
            │                                            ⡠⠤⠔⠊
            │                                      ⢀⡠⠤⠒⠉⠉
         40 ┤                                 ⢀⣀⠤⠒⠊⠁
            │                             ⣀⠔⠒⠊⠁
            │⠢⠤⢄                    ⢀⡠⠤⠔⠉⠉
            │   ⠉⠉⠒⢄⣀⡀         ⢀⣀⠤⠒⠉⠁
         20 ┤        ⠈⠑⠒⠤⣀⣀⣀⠤⠒⠊⠁
            │         ⡠⠤⠔⠊⠈⠑⠢⠤
            │   ⢀⡠⠤⠒⠉⠉
          0 ┤⠤⠒⠊⠁                      ⠠⣀⡀
            │                            ⠈⠑⠒⠤⣀
            │                                 ⠉⠑⠢⠤⢄
            │                                      ⠉⠉⠒⢄⣀⡀
        -20 ┤                                           ⠈⠑⠒⠤⣀⡀
            │                                                ⠈⠑⠢⠤⣀ b
            └┬────────────────┬─────────────────┬────────────────┬
             00:00          00:20             00:40          01:00
             1970-01-01 UTC
        a  up    min 0  max 60  last 60
        b  down  min -30  max 30  last -30
    "]],
    );
}

#[test]
fn a_constant_lies_in_the_middle() {
    check(
        &answer(&[("five", &|_| Some(5.0))]),
        Some(HOUR),
        expect![[r"
              │
            7 ┤
              │
              │
            6 ┤
              │
              │
            5 ┤⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀
              │
              │
              │
            4 ┤
              │
              │
            3 ┤
              │
              └┬─────────────┬─────────────┬────────────┬─────────────┬
               00:00       00:15         00:30        00:45       01:00
               1970-01-01 UTC
            a  five  min 5  max 5  last 5
        "]],
    );
}

#[test]
fn infinities_lie_at_the_edge_and_nan_is_a_gap() {
    let odd = |i: i64| {
        Some(match i {
            0..10 => f64::NEG_INFINITY,
            25..35 => f64::NAN,
            50.. => f64::INFINITY,
            _ => i as f64,
        })
    };
    check(
        &answer(&[("odd", &odd)]),
        Some(HOUR),
        expect![[r"
           │                                          ⢀⡠⠊⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉
           │                                        ⢀⠤⠊
           │                                      ⣀⠔⠁
        40 ┤                                    ⢀⠎
           │                                 ⢀⡠⠊⠁
           │                                ⡰⠁
           │
        30 ┤
           │
           │
           │                    ⢀⠔⠁
        20 ┤                  ⡠⠒⠁
           │                ⡠⠊
           │             ⢀⠔⠊
           │           ⢀⠔⠁
        10 ┤⣀⣀⣀⣀⣀⣀⣀⣀⣀⡠⠒⠁
           └┬─────────────┬────────────┬─────────────┬────────────┬
            00:00       00:15        00:30         00:45      01:00
            1970-01-01 UTC
        a  odd  min -Inf  max +Inf  last +Inf
    "]],
    );
    let none = answer(&[
        ("nan", &|_| Some(f64::NAN)),
        ("inf", &|_| Some(f64::INFINITY)),
    ]);
    check(
        &none,
        Some(HOUR),
        expect![[r"
        no finite values to draw
        a  nan  only NaN
        b  inf  min +Inf  max +Inf  last +Inf
    "]],
    );
}

#[test]
fn the_largest_numbers_there_are() {
    let swing = |i: i64| Some(if i / 15 % 2 == 0 { f64::MAX } else { f64::MIN });
    check(
        &answer(&[("swing", &swing)]),
        Some(HOUR),
        expect![[r"
               │⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⡇            ⢸⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⡇            ⢸
               │            ⡇            ⢸           ⡇            ⢸
               │            ⡇            ⢸           ⡇            ⢸
         1e308 ┤            ⡇            ⢸           ⡇            ⢸
               │            ⡇            ⡇           ⢸            ⡇
               │            ⡇            ⡇           ⢸            ⡇
               │            ⡇            ⡇           ⢸            ⡇
             0 ┤            ⡇            ⡇           ⢸            ⡇
               │            ⢸            ⡇           ⢸            ⡇
               │            ⢸            ⡇           ⢸            ⡇
               │            ⢸            ⡇           ⢸            ⡇
               │            ⢸            ⡇           ⢸            ⡇
        -1e308 ┤            ⢸           ⢸             ⡇          ⢸
               │            ⢸           ⢸             ⡇          ⢸
               │            ⢸           ⢸             ⡇          ⢸
               │            ⢸⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣸             ⣇⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣸
               └┬────────────────┬───────────────┬────────────────┬
                00:00          00:20           00:40          01:00
                1970-01-01 UTC
        a  swing
           min -1.79769e308  max 1.79769e308  last 1.79769e308
    "]],
    );
}

#[test]
fn a_single_step_lies_in_the_middle() {
    let data = answer(&[("one", &|i| (i == 0).then_some(-1.5))]);
    let now = Range { to: 0, ..HOUR };
    check(
        &data,
        Some(now),
        expect![[r"
             │
             │
        -1.0 ┤
             │
             │
             │
             │
        -1.5 ┤                          ⢀
             │
             │
             │
             │
             │
        -2.0 ┤
             │
             │
             └──────────────────────────┬──────────────────────────
                                  00:00:00.000
              1970-01-01 UTC
        a  one  min -1.5  max -1.5  last -1.5
    "]],
    );
}

/// Samples as they are stored are joined as far as a query looks back.
#[test]
fn stored_samples_have_their_own_times() {
    let data = answer(&[("raw", &|i| (!(20..=40).contains(&i)).then_some(i as f64))]);
    check(
        &data,
        None,
        expect![[r"
        60 ┤                                                    ⡠⠔⠊
           │                                                ⣀⠤⠒⠉
           │                                             ⡠⠔⠉
           │                                          ⡠⠔⠊
           │                                      ⣀⠤⠒⠉
        40 ┤                                     ⠉
           │
           │
           │
           │
        20 ┤                 ⢀
           │             ⢀⡠⠔⠊⠁
           │          ⣀⠤⠊⠁
           │       ⢀⠔⠉
           │   ⢀⡠⠔⠊⠁
         0 ┤⣀⠤⠊⠁
           └┬─────────────┬────────────┬─────────────┬────────────┬
            00:00       00:15        00:30         00:45      01:00
            1970-01-01 UTC
        a  raw  min 0  max 60  last 60
    "]],
    );
}

#[test]
fn more_lines_than_can_be_followed() {
    let names: Vec<String> = (0..11).map(|i| format!("line_{i}")).collect();
    let values: Vec<_> = (0..11).map(|i| move |_| Some(f64::from(i))).collect();
    let series: Vec<Series<'_>> = names
        .iter()
        .zip(&values)
        .map(|(name, value)| (name.as_str(), value as Values<'_>))
        .collect();
    check(
        &answer(&series),
        Some(HOUR),
        expect![[r"
          │⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉ h
          │
        6 ┤⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒ g
          │
          │⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤ f
          │
        4 ┤⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀ e
          │
          │
          │⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉ d
          │
        2 ┤⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒ c
          │
          │⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤ b
          │
        0 ┤⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀ a
          └┬─────────────┬────────────┬─────────────┬────────────┬
           00:00       00:15        00:30         00:45      01:00
           1970-01-01 UTC
        a  line_0  min 0  max 0  last 0
        b  line_1  min 1  max 1  last 1
        c  line_2  min 2  max 2  last 2
        d  line_3  min 3  max 3  last 3
        e  line_4  min 4  max 4  last 4
        f  line_5  min 5  max 5  last 5
        g  line_6  min 6  max 6  last 6
        h  line_7  min 7  max 7  last 7
        3 more series are not drawn: topk(), sum by () or a narrower
        selector leave fewer
    "]],
    );
}

#[test]
fn colours_only_when_asked_for() {
    let data = answer(&[("a", &|_| Some(1.0)), ("b", &|_| Some(2.0))]);
    let plain = plot(&data, Some(HOUR), STYLE).unwrap();
    assert!(!plain.contains('\x1b'));
    let style = Style {
        color: true,
        ..STYLE
    };
    let painted = plot(&data, Some(HOUR), style).unwrap();
    assert!(painted.contains("\x1b[36ma\x1b[0m  a"), "{painted}");
    assert_eq!(console::strip_ansi_codes(&painted), plain);
}

/// A name as long as it likes, and one that would move the cursor, stay in their line.
#[test]
fn no_line_is_longer_than_the_terminal() {
    let long = "x".repeat(500);
    let data = answer(&[
        (&long, &|i| Some(i as f64 * 1e9)),
        ("\x1b[2J", &|_| Some(-1e-9)),
    ]);
    for width in [24, 40, 60, 80, 200] {
        let style = Style { width, ..STYLE };
        let drawn = plot(&data, Some(HOUR), style).unwrap();
        let widest = drawn.lines().map(measure_text_width).max();
        assert!(widest <= Some(width), "{drawn}");
        assert!(!drawn.contains('\x1b'), "{drawn}");
    }
}

#[test]
fn what_does_not_go_on_is_refused() {
    for kind in ["vector", "scalar", "string"] {
        let data = serde_json::json!({"resultType": kind, "result": []});
        let said = plot(&data, None, STYLE).unwrap_err().to_string();
        assert!(said.contains("give a range with --start"), "{said}");
    }
    let nothing = serde_json::json!({"resultType": "matrix", "result": []});
    assert_eq!(plot(&nothing, Some(HOUR), STYLE).unwrap(), "no series\n");
}
