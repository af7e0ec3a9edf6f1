//! What the rules of one tick see: the store's view, and on top what the tick itself has recorded.
//!
//! A tick may run twice, when the program died after its samples were stored and before its state was.
//! The second run must see what the first one saw, so samples that only this tick can have written are
//! hidden in the view below, and shown again as soon as their rule has had its turn.
//!
//! Not here: writing. What was recorded reaches the store after the tick.

use std::collections::BTreeMap;

use bellwether_model::{DurationMs, Labels, METRIC_NAME, TimeRange, TimestampMs};
use bellwether_query::source::{Columns, Select, SeriesReader, SeriesSet, Source, SourceError};

/// A sample to be stored.
pub(crate) type Recorded = (Labels, TimestampMs, f64);

/// The metrics about alerts that the engine writes.
pub(crate) const ALERT_METRICS: [&str; 3] = ["ALERTS", "ALERTS_FOR_STATE", "alert:level"];

/// Which series the engine writes, and how far behind the tick's time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    /// Recorded metrics.
    pub(crate) metrics: BTreeMap<String, DurationMs>,
    /// Alerts, by `alertname`.
    pub(crate) alerts: BTreeMap<String, DurationMs>,
}

impl Written {
    /// How far behind the tick's time its samples of this series lie; `None` when it writes none.
    fn delay(&self, series: &Labels) -> Option<DurationMs> {
        let metric = series.metric()?;
        if ALERT_METRICS.contains(&metric) {
            let delay = series.get("alertname").and_then(|a| self.alerts.get(a));
            return Some(delay.copied().unwrap_or(DurationMs::ZERO));
        }
        self.metrics.get(metric).copied()
    }
}

/// A view of the store with the running tick's samples laid over it.
pub(crate) struct Overlay<'a> {
    base: &'a dyn Source,
    now: TimestampMs,
    written: &'a Written,
    /// What the tick has recorded so far, by metric.
    recorded: BTreeMap<String, Vec<Recorded>>,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(base: &'a dyn Source, now: TimestampMs, written: &'a Written) -> Overlay<'a> {
        Overlay {
            base,
            now,
            written,
            recorded: BTreeMap::new(),
        }
    }

    /// Shows these samples from here on.
    pub(crate) fn add(&mut self, metric: &str, samples: &[Recorded]) {
        if !samples.is_empty() {
            let shown = self.recorded.entry(metric.to_owned()).or_default();
            shown.extend_from_slice(samples);
        }
    }
}

impl Source for Overlay<'_> {
    fn select(&self, select: &Select<'_>) -> Result<SeriesSet<'_>, SourceError> {
        let base = self.base.select(select)?;
        let mut series: BTreeMap<Labels, Layers<'_>> = BTreeMap::new();
        for (i, labels) in base.labels.into_iter().enumerate() {
            let hidden_from = self.written.delay(&labels).map(|d| self.now.minus(d));
            series.entry(labels).or_default().base = Some((i, hidden_from));
        }
        let on_name = |metric: &str| {
            let mut names = select.matchers.iter().filter(|m| m.name() == METRIC_NAME);
            names.all(|m| m.matches(metric))
        };
        let shown = self.recorded.iter().filter(|(m, _)| on_name(m));
        for recorded in shown.flat_map(|(_, recorded)| recorded) {
            let (labels, t, _) = recorded;
            if select.range.contains(t.0)
                && select.matchers.iter().all(|m| m.matches_labels(labels))
            {
                let layers = series.entry(labels.clone()).or_default();
                layers.recorded.push(recorded);
            }
        }
        if series.len() > select.series_max {
            return Err(SourceError::TooManySeries {
                max: select.series_max,
            });
        }
        let (labels, layers) = series.into_iter().unzip();
        Ok(SeriesSet {
            labels,
            reader: Box::new(Reader {
                base: base.reader,
                layers,
            }),
            warnings: base.warnings,
        })
    }
}

/// Where the samples of one series come from.
#[derive(Default)]
struct Layers<'a> {
    /// Its index below, and the time from which samples below are hidden.
    base: Option<(usize, Option<TimestampMs>)>,
    recorded: Vec<&'a Recorded>,
}

struct Reader<'a> {
    base: Box<dyn SeriesReader + 'a>,
    layers: Vec<Layers<'a>>,
}

impl SeriesReader for Reader<'_> {
    fn read(&self, index: usize, range: TimeRange, out: &mut Columns) -> Result<(), SourceError> {
        out.clear();
        let layers = &self.layers[index];
        if let Some((i, hidden_from)) = layers.base {
            self.base.read(i, range, out)?;
            if let Some(from) = hidden_from {
                let keep = out.times.partition_point(|&t| t < from.0);
                out.times.truncate(keep);
                out.values.truncate(keep);
            }
        }
        for (_, t, v) in &layers.recorded {
            if !range.contains(t.0) {
                continue;
            }
            match out.times.binary_search(&t.0) {
                Ok(at) => out.values[at] = *v,
                Err(at) => {
                    out.times.insert(at, t.0);
                    out.values.insert(at, *v);
                }
            }
        }
        Ok(())
    }
}
