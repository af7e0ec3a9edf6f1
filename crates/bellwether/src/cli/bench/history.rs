//! A made-up history in the shape of the TSBS `cpu-only` case: hosts with ten tags, ten integer gauges
//! each that walk between 0 and 100, every ten seconds. The same seed gives the same bytes.

use std::fmt::Write as _;

/// Gauges of one host.
pub(super) const GAUGES: [&str; 10] = [
    "usage_user",
    "usage_system",
    "usage_idle",
    "usage_nice",
    "usage_iowait",
    "usage_irq",
    "usage_softirq",
    "usage_steal",
    "usage_guest",
    "usage_guest_nice",
];

/// Milliseconds between two samples of a series.
pub(super) const STEP_MS: i64 = 10_000;

/// Writes the history, one body of line protocol after the other, in order of time.
pub(super) struct History {
    prefixes: Vec<String>,
    walks: Vec<f64>,
    random: Random,
    start_ms: i64,
    ticks: u64,
    /// The next row to write: tick, then host.
    next: (u64, usize),
}

impl History {
    /// `hours` of `hosts` hosts, ending at `end_ms`.
    pub(super) fn new(hosts: u32, hours: u32, end_ms: i64) -> History {
        let mut random = Random(42);
        let prefixes = (0..hosts).map(|host| prefix(host, &mut random)).collect();
        let walks = (0..hosts as usize * GAUGES.len())
            .map(|_| random.unit() * 100.0)
            .collect();
        let ticks = u64::from(hours) * 360;
        let start_ms = (end_ms - ticks as i64 * STEP_MS) / STEP_MS * STEP_MS;
        History {
            prefixes,
            walks,
            random,
            start_ms,
            ticks,
            next: (0, 0),
        }
    }

    /// Samples in the whole history.
    pub(super) fn samples(&self) -> u64 {
        self.ticks * self.walks.len() as u64
    }

    /// First and one past the last time, milliseconds.
    pub(super) fn bounds(&self) -> (i64, i64) {
        (self.start_ms, self.start_ms + self.ticks as i64 * STEP_MS)
    }

    /// Replaces `body` with up to `rows` lines; false when the history is over. Times are milliseconds.
    pub(super) fn fill(&mut self, rows: usize, body: &mut String) -> bool {
        body.clear();
        for _ in 0..rows {
            let (tick, host) = self.next;
            if tick == self.ticks {
                break;
            }
            self.row(tick, host, body);
            self.next = if host + 1 == self.prefixes.len() {
                (tick + 1, 0)
            } else {
                (tick, host + 1)
            };
        }
        !body.is_empty()
    }

    fn row(&mut self, tick: u64, host: usize, body: &mut String) {
        body.push_str(&self.prefixes[host]);
        for (gauge, name) in GAUGES.iter().enumerate() {
            let walk = &mut self.walks[host * GAUGES.len() + gauge];
            let comma = if gauge == 0 { "" } else { "," };
            let _ = write!(body, "{comma}{name}={}i", walk.trunc() as i64); // A String takes all of it.
            *walk = (*walk + self.random.normal()).clamp(0.0, 100.0);
        }
        let _ = writeln!(body, " {}", self.start_ms + tick as i64 * STEP_MS);
    }
}

fn prefix(host: u32, random: &mut Random) -> String {
    let mut pick = |from: &[&'static str]| from[random.below(from.len() as u64) as usize];
    let region = pick(&[
        "us-east-1",
        "us-west-1",
        "us-west-2",
        "eu-west-1",
        "eu-central-1",
        "ap-southeast-1",
    ]);
    let zone = pick(&["a", "b", "c"]);
    let os = pick(&["Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"]);
    let arch = pick(&["x64", "x86"]);
    let team = pick(&["SF", "NYC", "LON", "CHI"]);
    let environment = pick(&["production", "staging", "test"]);
    let (rack, service, version) = (random.below(100), random.below(20), random.below(2));
    format!(
        "cpu,hostname=host_{host},region={region},datacenter={region}{zone},rack={rack},os={os},arch={arch},team={team},\
         service={service},service_version={version},service_environment={environment} "
    )
}

/// SplitMix64: small, seeded, good enough to draw histories with.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal, by the Box-Muller transform.
    fn normal(&mut self) -> f64 {
        let (u, v) = (self.unit().max(f64::MIN_POSITIVE), self.unit());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_has_every_row_once_in_order() {
        let mut history = History::new(3, 1, 3_600_000);
        let (mut body, mut lines, mut last) = (String::new(), 0, 0);
        while history.fill(7, &mut body) {
            for line in body.lines() {
                let t: i64 = line.rsplit(' ').next().unwrap().parse().unwrap();
                assert!(t >= last);
                last = t;
                lines += 1;
            }
        }
        assert_eq!(lines, 3 * 360);
        assert_eq!(history.samples(), 3 * 360 * 10);
        assert_eq!(last + STEP_MS, history.bounds().1);
    }
}
