//! Numbers in sentences for people.

/// `1 file`, `2 files`: for words whose plural takes an s.
pub fn counted(n: usize, one: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {one}{plural}")
}

/// Bytes in the largest unit that keeps the number at 1 or above: `512 B`, `1.5 KiB`, `20.0 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let step = n.ilog2() / 10;
    let amount = n as f64 / (1_u64 << (10 * step)) as f64;
    format!("{amount:.1} {}", UNITS[step as usize - 1])
}

/// A number with a comma before every three digits: `11,000`.
pub fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        let said: Vec<String> = (0..3).map(|n| counted(n, "file")).collect();
        assert_eq!(said, ["0 files", "1 file", "2 files"]);
    }

    #[test]
    fn digits_stand_in_groups_of_three() {
        let said = [0, 999, 1000, 11_000, 1_234_567].map(grouped);
        assert_eq!(said, ["0", "999", "1,000", "11,000", "1,234,567"]);
    }

    #[test]
    fn bytes_take_their_unit() {
        for (n, want) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (20 << 20, "20.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(n), want);
        }
    }
}
