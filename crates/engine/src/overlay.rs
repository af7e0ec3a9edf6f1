//! What the rules of one tick see: the store's view, and on top what the tick itself has recorded.
//!
//! A tick may run twice, when the program died after its samples were stored and before its state was.
//! The second run must see what the first one saw, so samples that only this tick can have written are
//! hidden in the view below, and shown again as soon as their rule has had its turn.
//!
//! Not here: writing. What was recorded reaches the store after the tick.

use std::collections::BTreeMap;

use bellwether_lang::rules::{Record, RuleSet, TextContext};
use bellwether_model::{DurationMs, Labels, METRIC_NAME, TimeRange, TimestampMs};
use bellwether_query::source::{Columns, Select, SeriesReader, SeriesSet, Source, SourceError};

use crate::share;
use crate::sla::live::SLA_METRICS;

/// A sample to be stored.
pub(crate) type Recorded = (Labels, TimestampMs, f64);

/// The metrics about alerts that the engine writes.
pub(crate) const ALERT_METRICS: [&str; 3] = ["ALERTS", "ALERTS_FOR_STATE", "alert:level"];

/// Which series the engine writes, and how far behind the tick's time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    /// The recording rules by metric.
    records: BTreeMap<String, Vec<RecordedBy>>,
    /// Objectives, by name.
    slas: BTreeMap<String, DurationMs>,
    /// Alerts, by `alertname`.
    alerts: BTreeMap<String, DurationMs>,
}

/// One recording rule.
#[derive(Clone, Debug)]
struct RecordedBy {
    /// The labels that it sets to the same text for every result; an empty text takes the label away.
    labels: Vec<(String, String)>,
    delay: DurationMs,
}

impl RecordedBy {
    fn of(record: &Record) -> RecordedBy {
        let fixed = record
            .labels
            .iter()
            .filter(|(_, text)| text.labels().next().is_none());
        let empty = Labels::empty();
        let nothing = TextContext {
            labels: &empty,
            value: f64::NAN, // Texts of labels never use the value: the check of the rules refuses it.
            threshold: None,
            level: None,
            since: None,
        };
        RecordedBy {
            labels: fixed
                .map(|(name, text)| (name.clone(), text.render(&nothing)))
                .collect(),
            delay: record.delay,
        }
    }

    fn may_write(&self, series: &Labels) -> bool {
        let mut labels = self.labels.iter();
        labels.all(|(name, text)| series.get(name).unwrap_or_default() == text)
    }
}

impl Written {
    pub(crate) fn by(rules: &RuleSet) -> Written {
        let mut written = Written::default();
        for record in &rules.records {
            let of_metric = written.records.entry(record.metric.clone()).or_default();
            of_metric.push(RecordedBy::of(record));
        }
        for sla in &rules.slas {
            written.slas.insert(sla.name.clone(), sla.delay);
        }
        for alert in &rules.alerts {
            written.alerts.insert(alert.name.clone(), alert.delay);
        }
        written
    }

    /// How far behind the tick's time its samples of this series lie, at most; `None` when it writes none.
    pub(crate) fn delay(&self, series: &Labels) -> Option<DurationMs> {
        let metric = series.metric()?;
        if ALERT_METRICS.contains(&metric) {
            let delay = series.get("alertname").and_then(|a| self.alerts.get(a));
            return Some(delay.copied().unwrap_or(DurationMs::ZERO));
        }
        if SLA_METRICS.contains(&metric) {
            return self.slas.get(series.get("sla")?).copied();
        }
        let of_metric = self.records.get(metric)?.iter();
        of_metric
            .filter(|r| r.may_write(series))
            .map(|r| r.delay)
            .max()
    }
}

/// A view of the store with the running tick's samples laid over it.
pub(crate) struct Overlay<'a> {
    base: &'a dyn Source,
    now: TimestampMs,
    written: &'a Written,
    /// What the tick has recorded so far, by metric.
    recorded: BTreeMap<String, Vec<Recorded>>,
    /// Answers of the tick that several rules read (`share.rs`), sorted by labels: the time they are for, and the values.
    shared: BTreeMap<usize, (TimestampMs, Vec<(Labels, f64)>)>,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(base: &'a dyn Source, now: TimestampMs, written: &'a Written) -> Overlay<'a> {
        Overlay {
            base,
            now,
            written,
            recorded: BTreeMap::new(),
            shared: BTreeMap::new(),
        }
    }

    /// Whether the answer to a shared part is there.
    pub(crate) fn has_part(&self, part: usize) -> bool {
        self.shared.contains_key(&part)
    }

    /// Shows the answer to a shared part.
    pub(crate) fn add_part(&mut self, part: usize, at: TimestampMs, answer: Vec<(Labels, f64)>) {
        self.shared.insert(part, (at, answer));
    }

    fn part(&self, part: usize) -> SeriesSet<'_> {
        let (labels, reader) = match self.shared.get(&part) {
            Some((at, answer)) => {
                let labels = answer.iter().map(|(labels, _)| labels.clone()).collect();
                (labels, PartReader(*at, answer))
            }
            None => (Vec::new(), PartReader(self.now, &[])),
        };
        SeriesSet {
            labels,
            reader: Box::new(reader),
            warnings: Vec::new(),
        }
    }

    /// Shows these samples from here on.
    pub(crate) fn add(&mut self, samples: &[Recorded]) {
        for sample in samples {
            let metric = sample.0.metric().unwrap_or_default();
            match self.recorded.get_mut(metric) {
                Some(shown) => shown.push(sample.clone()),
                None => {
                    self.recorded
                        .insert(metric.to_owned(), vec![sample.clone()]);
                }
            }
        }
    }
}

impl Source for Overlay<'_> {
    fn select(&self, select: &Select<'_>) -> Result<SeriesSet<'_>, SourceError> {
        if let Some(part) = share::part_of(select.matchers) {
            return Ok(self.part(part));
        }
        let base = self.base.select(select)?;
        let on_name = |metric: &str| {
            let mut names = select.matchers.iter().filter(|m| m.name() == METRIC_NAME);
            names.all(|m| m.matches(metric))
        };
        let shown = self.recorded.iter().filter(|(m, _)| on_name(m));
        let shown = shown.flat_map(|(_, recorded)| recorded);
        let shown: Vec<&Recorded> = shown
            .filter(|(labels, t, _)| {
                let mut matchers = select.matchers.iter();
                select.range.contains(t.0) && matchers.all(|m| m.matches_labels(labels))
            })
            .collect();
        let delays: Vec<Option<DurationMs>> =
            base.labels.iter().map(|l| self.written.delay(l)).collect();
        if shown.is_empty() && delays.iter().all(Option::is_none) {
            return Ok(base); // Most rules: nothing of it is the engine's.
        }
        let mut series: BTreeMap<Labels, Layers<'_>> = BTreeMap::new();
        for (i, (labels, delay)) in base.labels.into_iter().zip(delays).enumerate() {
            let hidden_from = delay.map(|d| self.now.minus(d));
            series.entry(labels).or_default().base = Some((i, hidden_from));
        }
        for recorded in shown {
            let layers = series.entry(recorded.0.clone()).or_default();
            layers.recorded.push(recorded);
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

/// One sample for each series, all of one time.
struct PartReader<'a>(TimestampMs, &'a [(Labels, f64)]);

impl SeriesReader for PartReader<'_> {
    fn read(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<(), SourceError> {
        out.clear();
        if !range.contains(self.0.0) {
            return Ok(());
        }
        if room == 0 {
            return Err(SourceError::NoRoom { needed: 1 });
        }
        out.times.push(self.0.0);
        out.values.push(self.1[index].1);
        Ok(())
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
    fn read(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<(), SourceError> {
        out.clear();
        let layers = &self.layers[index];
        if let Some((i, hidden_from)) = layers.base {
            self.base.read(i, range, room, out)?;
            if let Some(from) = hidden_from {
                let keep = out.times.partition_point(|&t| t < from.0);
                out.times.truncate(keep);
                out.values.truncate(keep);
            }
        }
        let needed = out.times.len() + layers.recorded.len();
        if needed > room {
            return Err(SourceError::NoRoom { needed });
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

    fn warnings(&self) -> Vec<String> {
        self.base.warnings()
    }
}

#[cfg(test)]
mod tests {
    use bellwether_model::Matcher;
    use bellwether_query::source::memory::MemorySource;

    use super::*;
    use crate::testing::rules;

    const NOW: TimestampMs = TimestampMs(60_000);

    fn series(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    /// Every series that the matchers select up to `NOW`, with its samples.
    fn read(overlay: &Overlay<'_>, matchers: &[Matcher]) -> Vec<String> {
        let range = TimeRange::new(0, NOW.0);
        let set = overlay.select(&Select {
            matchers,
            range,
            series_max: 10,
        });
        let set = set.unwrap();
        let mut columns = Columns::default();
        let mut text = Vec::new();
        for (i, labels) in set.labels.iter().enumerate() {
            set.reader.read(i, range, usize::MAX, &mut columns).unwrap();
            text.push(format!("{labels} {:?} {:?}", columns.times, columns.values));
        }
        text
    }

    #[test]
    fn a_repeated_tick_sees_what_the_first_one_saw() {
        let written = Written::by(&rules(
            "record r:x\n  expr x\n  delay 30s\nalert A\n  expr x\n  info > 0\n",
        ));
        let mut base = MemorySource::new();
        let recorded = series(&[("__name__", "r:x"), ("i", "1")]);
        let alert = series(&[("__name__", "ALERTS"), ("alertname", "A"), ("i", "1")]);
        let plain = series(&[("__name__", "x"), ("i", "1")]);
        for labels in [&recorded, &alert, &plain] {
            base.push(labels, 0, 1.0);
        }
        let any = [Matcher::equal("i", "1")];
        let first = read(&Overlay::new(&base, NOW, &written), &any);
        // The samples of the tick that was not committed.
        base.push(&recorded, 30_000, 2.0);
        base.push(&alert, 60_000, 1.0);
        assert_eq!(read(&Overlay::new(&base, NOW, &written), &any), first);
        // What others send is always seen.
        base.push(&plain, 60_000, 3.0);
        let seen = read(&Overlay::new(&base, NOW, &written), &any);
        assert_eq!(seen[2], r#"x{i="1"} [0, 60000] [1.0, 3.0]"#);
    }

    #[test]
    fn each_record_hides_as_far_back_as_its_own_delay() {
        let written = Written::by(&rules(
            "record r:x\n  expr x\n  label site = \"a\"\n\
             record r:x\n  expr x\n  label site = \"b\"\n  delay 5m\n\
             record r:y\n  expr y\n  label site = \"{site}\"\n  label old = \"\"\n  delay 1m\n",
        ));
        let delay = |pairs: &[(&str, &str)]| written.delay(&series(pairs)).map(|d| d.0);
        assert_eq!(delay(&[("__name__", "r:x"), ("site", "a")]), Some(0));
        assert_eq!(delay(&[("__name__", "r:x"), ("site", "b")]), Some(300_000));
        assert_eq!(delay(&[("__name__", "r:x"), ("site", "c")]), None);
        assert_eq!(delay(&[("__name__", "r:y"), ("site", "any")]), Some(60_000));
        assert_eq!(delay(&[("__name__", "r:y"), ("old", "x")]), None);
    }

    #[test]
    fn what_the_tick_has_recorded_lies_on_top() {
        let written = Written::by(&rules("record r:x\n  expr x\n"));
        let mut base = MemorySource::new();
        let (old, new) = (
            series(&[("__name__", "r:x"), ("i", "1")]),
            series(&[("__name__", "r:x"), ("i", "2")]),
        );
        base.push(&old, 0, 1.0);
        base.push(&old, 60_000, 9.0);
        let mut overlay = Overlay::new(&base, NOW, &written);
        overlay.add(&[(old, NOW, 2.0), (new, NOW, 3.0)]);
        let by_name = |name| [Matcher::equal(METRIC_NAME, name)];
        assert_eq!(
            read(&overlay, &by_name("r:x")),
            [
                r#"r:x{i="1"} [0, 60000] [1.0, 2.0]"#,
                r#"r:x{i="2"} [60000] [3.0]"#,
            ]
        );
        assert_eq!(read(&overlay, &[Matcher::equal("i", "2")]).len(), 1);
        assert!(read(&overlay, &by_name("x")).is_empty());
        let refused = overlay.select(&Select {
            matchers: &by_name("r:x"),
            range: TimeRange::new(0, NOW.0),
            series_max: 1,
        });
        assert!(matches!(
            refused,
            Err(SourceError::TooManySeries { max: 1 })
        ));
    }
}
