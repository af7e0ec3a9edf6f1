//! Dots in the terminal: a character of Braille is two dots wide and four high.
//!
//! Dots are counted from the left and from the top. A character has one colour: that of the line drawn last through it.

/// Dots of a character.
pub(super) const CELL_WIDTH: usize = 2;
pub(super) const CELL_HEIGHT: usize = 4;

/// The character without any dot; those with dots follow, a bit a dot.
const EMPTY: u32 = 0x2800;

/// The bits of a character's dots, by row and column.
const BITS: [[u8; CELL_WIDTH]; CELL_HEIGHT] =
    [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// A rectangle of characters.
pub(super) struct Canvas {
    columns: usize,
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    dots: u8,
    /// Which line went through it last.
    line: usize,
}

impl Canvas {
    pub(super) fn new(columns: usize, rows: usize) -> Canvas {
        Canvas {
            columns,
            cells: vec![Cell::default(); columns * rows],
        }
    }

    /// Sets the dot at `x`, `y` for a line. Outside the canvas nothing is set.
    pub(super) fn set(&mut self, x: usize, y: usize, line: usize) {
        let (column, row) = (x / CELL_WIDTH, y / CELL_HEIGHT);
        if column >= self.columns {
            return;
        }
        if let Some(cell) = self.cells.get_mut(row * self.columns + column) {
            cell.dots |= BITS[y % CELL_HEIGHT][x % CELL_WIDTH];
            cell.line = line;
        }
    }

    /// Sets the dots between two, these included.
    pub(super) fn connect(&mut self, from: (usize, usize), to: (usize, usize), line: usize) {
        let (dx, dy) = (from.0.abs_diff(to.0), from.1.abs_diff(to.1));
        let count = dx.max(dy).max(1);
        let between = |a: usize, b: usize, i: usize| {
            let (a, b) = (a as i64, b as i64);
            // Rounded to the nearest dot.
            let along = (2 * (b - a) * i as i64 + count as i64).div_euclid(2 * count as i64);
            (a + along) as usize // Between two dots of the canvas.
        };
        for i in 0..=count {
            self.set(between(from.0, to.0, i), between(from.1, to.1, i), line);
        }
    }

    /// The characters of a row, left to right, each with the line it belongs to; `None` for those without dots.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = (char, Option<usize>)> {
        let cells = self.cells.iter().skip(row * self.columns);
        cells.take(self.columns).map(|cell| match cell.dots {
            0 => (' ', None),
            dots => {
                let c = char::from_u32(EMPTY + u32::from(dots)).unwrap_or(' ');
                (c, Some(cell.line))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(canvas: &Canvas, rows: usize) -> Vec<String> {
        let row = |r| canvas.row(r).map(|(c, _)| c).collect();
        (0..rows).map(row).collect()
    }

    #[test]
    fn lines_join_their_ends() {
        let mut canvas = Canvas::new(3, 1);
        canvas.connect((0, 3), (5, 0), 0);
        assert_eq!(drawn(&canvas, 1), ["⡠⠔⠊"]);
        let mut canvas = Canvas::new(1, 2);
        canvas.connect((1, 7), (1, 0), 0);
        assert_eq!(drawn(&canvas, 2), ["⢸", "⢸"]);
    }

    #[test]
    fn what_lies_outside_is_left_out() {
        let mut canvas = Canvas::new(1, 1);
        canvas.set(2, 0, 0);
        canvas.set(0, 4, 0);
        assert_eq!(drawn(&canvas, 1), [" "]);
        canvas.set(1, 3, 7);
        assert_eq!(canvas.row(0).next(), Some(('⢀', Some(7))));
    }
}
