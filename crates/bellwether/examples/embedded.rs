//! A store, a rule and its alert inside a program: no server, no clock, no network.
//!
//! Run it with `cargo run --example embedded`.

use std::sync::Arc;

use bellwether::disk::RealDisk;
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
    let folder = std::env::temp_dir().join(format!("bellwether-embedded-{}", std::process::id()));
    let mut now = TimestampMs(1_800_000_000_000);
    let (store, _) = Store::open(RealDisk::shared(), &folder, Config::default(), now)?;
    let mut appender = store.appender();
    let queue = appender.series(&Labels::from_pairs([
        ("__name__", "queue_length"),
        ("queue", "mail"),
    ]))?;

    let checked = rules::check(&[SourceFile {
        path: "queue.rules".into(),
        text: RULES.into(),
    }]);
    let mut engine = Engine::new(
        Arc::new(checked.rules),
        bellwether::engine::Options::default(),
    )?;
    let mut tick = Tick::default();
    while tick.notices.is_empty() {
        now = now.plus(DurationMs::from_secs(10));
        appender.push(queue, now, 25.0);
        appender.commit(now)?; // Durable and visible from here on.
        if let Some(slot) = engine
            .next_due(now.minus(DurationMs::from_secs(10)))
            .filter(|slot| *slot <= now)
        {
            engine.tick(slot, &ViewSource(&store.view()), &mut tick);
        }
    }
    for notice in &tick.notices {
        println!(
            "{}: {} ({})",
            notice.rule, notice.annotations[0].1, notice.labels
        );
    }
    store.close(now)?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
