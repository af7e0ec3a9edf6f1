//! Series drawn in the terminal: `bellwether query EXPR --start -1h -o plot`.
//!
//! Lines of Braille dots, values on the left, times below, a legend under them. A step without a sample, and a NaN, leave a gap;
//! infinities lie at the edge. On the right each line ends at its letter, so that lines are told apart without colours too.
//!
//! - `canvas`: dots. `axis`: numbers and times.

mod axis;
mod canvas;

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use bellwether_model::value::parse_value;
use bellwether_model::{Labels, TimestampMs, limits};
use console::measure_text_width;
use serde_json::Value;

pub(crate) use axis::Zone;
use axis::{Span, brief};
use canvas::{CELL_HEIGHT, CELL_WIDTH, Canvas};

/// Rows of the drawing.
const ROWS: usize = 16;
/// Values at the axis, about.
const TICKS: usize = 5;
/// The most lines: more cannot be followed.
const LINES_MAX: usize = 8;
/// Colours of the lines, as numbers of the terminal's: those that are readable on dark and on light.
const COLORS: [u8; LINES_MAX] = [36, 33, 35, 32, 34, 31, 96, 95];

/// How it is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Characters a line.
    pub width: usize,
    /// The terminal shows colours.
    pub color: bool,
    pub zone: Zone,
}

/// The times that were asked for, and the distance of two steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub from: i64,
    pub to: i64,
    pub step: i64,
}

/// One series.
struct Line {
    name: String,
    points: Vec<(i64, f64)>,
}

/// The `data` object of an answer as a drawing. `range` is that of the query; samples as they are stored (`x[5m]`) have none.
pub(crate) fn plot(data: &Value, range: Option<Range>, style: Style) -> Result<String> {
    let lines = lines(data)?;
    if lines.is_empty() {
        return Ok("no series\n".to_owned());
    }
    let drawn = &lines[..lines.len().min(LINES_MAX)];
    let points = || drawn.iter().flat_map(|line| &line.points);
    let mut out = String::new();
    match Span::of(points().map(|(_, v)| *v)) {
        None => out.push_str("no finite values to draw\n"),
        Some(values) => {
            let range = range.unwrap_or_else(|| Range {
                from: points().map(|(t, _)| *t).min().unwrap_or_default(),
                to: points().map(|(t, _)| *t).max().unwrap_or_default(),
                step: limits::QUERY_LOOKBACK.millis(),
            });
            chart(&mut out, drawn, values, range, style);
        }
    }
    legend(&mut out, drawn, style);
    if lines.len() > drawn.len() {
        let more = format!(
            "{} more series are not drawn: topk(), sum by () or a narrower selector leave fewer",
            lines.len() - drawn.len()
        );
        for text in folded(more.split(' '), " ", style.width) {
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(out, "{text}");
        }
    }
    Ok(out)
}

fn lines(data: &Value) -> Result<Vec<Line>> {
    if data["resultType"] != "matrix" {
        bail!(
            "a plot shows how values go on: give a range with --start, or a range vector such as x[1h]"
        );
    }
    let series = data["result"]
        .as_array()
        .context("the answer has no result")?;
    series.iter().map(line).collect()
}

fn line(series: &Value) -> Result<Line> {
    let labels = series["metric"]
        .as_object()
        .context("a series without labels")?;
    let pairs = labels
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str().unwrap_or("")));
    let values = series["values"]
        .as_array()
        .context("a series without values")?;
    let point = |pair: &Value| {
        let t = pair[0].as_f64().and_then(TimestampMs::from_seconds)?;
        Some((t.0, parse_value(pair[1].as_str()?)?))
    };
    let points = values
        .iter()
        .map(|pair| point(pair).context("a sample that cannot be read"));
    Ok(Line {
        name: Labels::from_pairs(pairs).to_string(),
        points: points.collect::<Result<_>>()?,
    })
}

fn chart(out: &mut String, lines: &[Line], values: Span, range: Range, style: Style) {
    let mut texts = vec![String::new(); ROWS];
    for (v, text) in values.ticks(TICKS) {
        texts[height_of(values, v) / CELL_HEIGHT] = text;
    }
    let margin = texts.iter().map(String::len).max().unwrap_or(0);
    let ends = ends(lines, values);
    let letters = ends.iter().map(String::len).max().unwrap_or(0);
    // One blank and the axis on the left, one blank before the letters.
    let columns = style.width.saturating_sub(margin + letters + 3).max(10);
    let canvas = canvas(lines, values, range, columns);
    for (row, text) in texts.iter().enumerate() {
        let axis = if text.is_empty() { '│' } else { '┤' };
        let _ = write!(out, "{text:>margin$} {axis}");
        for (c, line) in canvas.row(row) {
            push_painted(out, c, line, style);
        }
        if letters > 0 {
            out.push(' ');
        }
        for letter in ends[row].bytes() {
            push_painted(
                out,
                char::from(letter),
                Some(usize::from(letter - b'a')),
                style,
            );
        }
        trim(out);
        out.push('\n');
    }
    push_times(out, margin, columns, range, style.zone);
}

/// At each row the letters of the lines that end there; none when there is but one line.
fn ends(lines: &[Line], values: Span) -> Vec<String> {
    let mut ends = vec![String::new(); ROWS];
    if lines.len() < 2 {
        return ends;
    }
    for (i, line) in lines.iter().enumerate() {
        let last = line.points.iter().rev().find(|(_, v)| !v.is_nan());
        if let Some((_, v)) = last {
            ends[height_of(values, *v) / CELL_HEIGHT].push(letter(i));
        }
    }
    ends
}

fn letter(line: usize) -> char {
    char::from(b'a' + line as u8) // LINES_MAX is below 26.
}

/// The dot of a value, from the top.
fn height_of(values: Span, v: f64) -> usize {
    let height = ROWS * CELL_HEIGHT;
    height - 1 - dot(values.place(v), height)
}

/// The dot of `count` at a place between 0 and 1.
fn dot(place: f64, count: usize) -> usize {
    (place * (count - 1) as f64).round() as usize
}

fn canvas(lines: &[Line], values: Span, range: Range, columns: usize) -> Canvas {
    let mut canvas = Canvas::new(columns, ROWS);
    let width = columns * CELL_WIDTH;
    let span = range.to.saturating_sub(range.from);
    let x_of = |t: i64| {
        let after = t.saturating_sub(range.from).clamp(0, span);
        // A single time lies in the middle.
        let place = if span == 0 {
            0.5
        } else {
            after as f64 / span as f64
        };
        dot(place, width)
    };
    for (i, line) in lines.iter().enumerate() {
        let mut before: Option<(i64, (usize, usize))> = None;
        for (t, v) in &line.points {
            if v.is_nan() {
                before = None;
                continue;
            }
            let at = (x_of(*t), height_of(values, *v));
            match before {
                Some((last, from)) if t.saturating_sub(last) <= range.step => {
                    canvas.connect(from, at, i);
                }
                _ => canvas.set(at.0, at.1, i),
            }
            before = Some((*t, at));
        }
    }
    canvas
}

/// The axis below: as many times as have room, the first and the last at the ends.
fn push_times(out: &mut String, margin: usize, columns: usize, range: Range, zone: Zone) {
    let text = |t| zone.time(t, range.from, range.to);
    let longest = text(range.from).len().max(text(range.to).len());
    let count = (columns / (longest + 6)).clamp(1, 6);
    let count = if range.from == range.to {
        1
    } else {
        count.max(2)
    };
    let (mut axis, mut times) = (vec!['─'; columns], String::new());
    for i in 0..count {
        // A single time lies in the middle, as its values do.
        let place = if count == 1 {
            0.5
        } else {
            i as f64 / (count - 1) as f64
        };
        let column = dot(place, columns);
        axis[column] = '┬';
        let span = range.to.saturating_sub(range.from);
        let at = range.from.saturating_add((span as f64 * place) as i64);
        let text = if i + 1 == count && count > 1 {
            text(range.to)
        } else {
            text(at)
        };
        let begin = column.saturating_sub(text.len() / 2);
        let begin = begin.min(columns.saturating_sub(text.len()));
        let used = times.len();
        times.push_str(&" ".repeat(begin.saturating_sub(used)));
        times.push_str(&text);
    }
    let axis: String = axis.into_iter().collect();
    let days = zone.days(range.from, range.to);
    let indent = " ".repeat(margin + 2);
    let _ = writeln!(
        out,
        "{} └{axis}\n{indent}{times}\n{indent}{days}",
        " ".repeat(margin)
    );
}

/// Each line's letter, name and figures; the figures on a line of their own where the names leave no room beside them.
fn legend(out: &mut String, lines: &[Line], style: Style) {
    let figures: Vec<Vec<String>> = lines.iter().map(figures).collect();
    let len = |figures: &Vec<String>| figures.join(FIGURES_JOINT).len();
    let longest = figures.iter().map(len).max().unwrap_or(0);
    let widths = lines.iter().map(|line| measure_text_width(&line.name));
    let widest = widths.max().unwrap_or(0);
    let is_wide = widest + longest + 5 <= style.width;
    for (i, (line, figures)) in lines.iter().zip(&figures).enumerate() {
        push_painted(out, letter(i), Some(i), style);
        let room = style.width.saturating_sub(3).max(1);
        let name = console::truncate_str(&line.name, room, "…");
        if is_wide {
            let pad = widest - measure_text_width(&name);
            let figures = figures.join(FIGURES_JOINT);
            let _ = writeln!(out, "  {name}{}  {figures}", " ".repeat(pad));
        } else {
            let _ = writeln!(out, "  {name}");
            let figures = figures.iter().map(String::as_str);
            for figures in folded(figures, FIGURES_JOINT, room) {
                let _ = writeln!(out, "   {figures}");
            }
        }
    }
}

/// Between the figures of a line.
const FIGURES_JOINT: &str = "  ";

/// The pieces in as few texts of at most `width` as they fit into; a longer piece is alone in its text.
fn folded<'a>(pieces: impl Iterator<Item = &'a str>, joint: &str, width: usize) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for piece in pieces {
        match texts.last_mut() {
            Some(last) if last.len() + joint.len() + piece.len() <= width => {
                last.push_str(joint);
                last.push_str(piece);
            }
            _ => texts.push(piece.to_owned()),
        }
    }
    texts
}

/// `min 1`, `max 5`, `last 3`
fn figures(line: &Line) -> Vec<String> {
    let values = || line.points.iter().map(|(_, v)| *v);
    let number = || values().filter(|v| !v.is_nan());
    let (Some(min), Some(max)) = (number().reduce(f64::min), number().reduce(f64::max)) else {
        return vec!["only NaN".to_owned()];
    };
    let last = values().next_back().unwrap_or(f64::NAN);
    vec![
        format!("min {}", brief(min)),
        format!("max {}", brief(max)),
        format!("last {}", brief(last)),
    ]
}

fn push_painted(out: &mut String, c: char, line: Option<usize>, style: Style) {
    match line {
        Some(line) if style.color => {
            let _ = write!(out, "\x1b[{}m{c}\x1b[0m", COLORS[line % COLORS.len()]);
        }
        _ => out.push(c),
    }
}

/// Takes the blanks at the end away.
fn trim(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
}

#[cfg(test)]
mod tests;
