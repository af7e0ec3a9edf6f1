//! Parts of a date, of Unix seconds in UTC. Fractions of a second are cut off.
//!
//! Source of the calendar arithmetic: H. Hinnant, *chrono-Compatible Low-Level Date Algorithms*. It is exact for
//! every whole second that a float can hold; NaN counts as the epoch.

const DAY: i64 = 86_400;

/// Year, month from 1, day from 1.
fn civil(seconds: f64) -> (i64, i64, i64) {
    let days = (seconds as i64).div_euclid(DAY) + 719_468; // Since 0000-03-01.
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153; // March is 0.
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(crate) fn year(seconds: f64) -> f64 {
    civil(seconds).0 as f64
}

pub(crate) fn month(seconds: f64) -> f64 {
    civil(seconds).1 as f64
}

pub(crate) fn day_of_month(seconds: f64) -> f64 {
    civil(seconds).2 as f64
}

pub(crate) fn days_in_month(seconds: f64) -> f64 {
    let (year, month, _) = civil(seconds);
    month_days(year, month) as f64
}

pub(crate) fn day_of_year(seconds: f64) -> f64 {
    let (year, month, day) = civil(seconds);
    ((1..month).map(|m| month_days(year, m)).sum::<i64>() + day) as f64
}

/// Sunday is 0.
pub(crate) fn day_of_week(seconds: f64) -> f64 {
    ((seconds as i64).div_euclid(DAY) + 4).rem_euclid(7) as f64
}

pub(crate) fn hour(seconds: f64) -> f64 {
    ((seconds as i64).rem_euclid(DAY) / 3600) as f64
}

pub(crate) fn minute(seconds: f64) -> f64 {
    ((seconds as i64).rem_euclid(3600) / 60) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // 2024-02-29 12:34:56, a Thursday.
        let t = 1_709_210_096.0;
        assert_eq!((year(t), month(t), day_of_month(t)), (2024.0, 2.0, 29.0));
        assert_eq!((hour(t), minute(t)), (12.0, 34.0));
        assert_eq!((day_of_week(t), day_of_year(t)), (4.0, 60.0));
        assert_eq!(days_in_month(t), 29.0);
        // 1969-12-31 23:59:59.
        assert_eq!((year(-1.0), day_of_year(-1.0)), (1969.0, 365.0));
    }

    #[test]
    fn no_float_makes_it_panic() {
        for t in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e17] {
            assert!((1.0..=12.0).contains(&month(t)));
            assert!((1.0..=366.0).contains(&day_of_year(t)));
            assert!(day_of_week(t) < 7.0);
        }
    }
}
