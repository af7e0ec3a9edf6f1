//! A store, a rule and its alert inside a program: no server, no clock, no network.
//!
//! Run it with `cargo run --example embedded`.

use std::sync::Arc;

use bellwether::disk::RealDisk;
use bellwether::engine::Options;
use bellwether::query::source::store::ViewSource;
use bellwether::rules::{self, SourceFile};
use bellwether::{Config, DurationMs, Engine, Labels, Store, Tick, TimestampMs};

const RULES: &str = r#"
alert QueueLong
  expr     queue_length
  warning  > 10 for 1m
  every    30s
  summary  "{queue}: {value} waiting"
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [SourceFile {
        path: "queue.rules".into(),
        text: RULES.into(),
    }];
    let checked = rules::check(&files);
    if checked.has_errors() {
        return Err(rules::render(&checked.diagnostics, &files, false).into());
    }
    let mut engine = Engine::new(Arc::new(checked.rules), Options::default())?;

    let folder = tempfile::tempdir()?; // A program keeps its data somewhere lasting.
    let mut now = TimestampMs(1_800_000_000_000); // Time is whatever you say it is.
    let (store, _) = Store::open(RealDisk::shared(), folder.path(), Config::default(), now)?;
    let mut appender = store.appender();
    let labels = Labels::from_pairs([("__name__", "queue_length"), ("queue", "mail")]);
    let queue = appender.series(&labels)?;

    let mut tick = Tick::default();
    while tick.notices.is_empty() {
        now = now.plus(DurationMs::from_secs(10));
        appender.push(queue, now, 25.0);
        appender.commit(now)?; // Durable and visible from here on.
        let evaluated = now.minus(DurationMs::from_secs(10));
        if let Some(slot) = engine.next_due(evaluated).filter(|slot| *slot <= now) {
            engine.tick(slot, &ViewSource(&store.view()), &mut tick);
        }
    }
    for notice in &tick.notices {
        let (rule, labels) = (&notice.rule, &notice.labels);
        println!("{rule}: {} {labels}", notice.annotations[0].1);
    }
    store.close(now)?;
    Ok(())
}
