//! Parts of a date, by counting years and months: no formula to get wrong.

use super::{Fail, Outcome};

/// What `part` says of a time in Unix seconds, UTC.
pub(crate) fn part(part: &str, seconds: f64) -> Outcome<f64> {
    if seconds.is_nan() || seconds.abs() >= 1e11 {
        return Err(Fail::Open("the date of what is none"));
    }
    let seconds = seconds.trunc() as i64;
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let mut year = 1970;
    let mut day = days;
    while day < 0 {
        year -= 1;
        day += days_of_year(year);
    }
    while day >= days_of_year(year) {
        day -= days_of_year(year);
        year += 1;
    }
    let of_year = day;
    let mut month = 1;
    while day >= days_of_month(year, month) {
        day -= days_of_month(year, month);
        month += 1;
    }
    Ok(match part {
        "year" => year,
        "month" => month,
        "day_of_month" => day + 1,
        "day_of_year" => of_year + 1,
        // The epoch was a Thursday.
        "day_of_week" => (days + 4).rem_euclid(7),
        "days_in_month" => days_of_month(year, month),
        "hour" => of_day / 3600,
        _ => of_day / 60 % 60,
    } as f64)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_year(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
