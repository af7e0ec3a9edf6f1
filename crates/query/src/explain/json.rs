//! An explanation as the `data` object of `/api/v1/explain`.

use std::fmt::Write as _;
use std::time::Duration;

use bellwether_model::json::push_json_string;
use bellwether_model::value::push_value;

use super::{Explanation, Fate, PlanNode, PlanRead};
use crate::json::push_time;

/// Appends `{"plan":..,"reads":..,"totals":..}` to `out`; `error` too, when the query has no answer.
pub fn write_explanation(explanation: &Explanation, out: &mut String) {
    out.push_str("{\"plan\":");
    push_node(out, &explanation.plan);
    out.push_str(",\"reads\":[");
    for (i, read) in explanation.reads.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_read(out, read);
    }
    let sum = |of: fn(&PlanRead) -> u64| explanation.reads.iter().map(of).sum::<u64>();
    let zones = sum(|read| read.samples_from_zones);
    let (stats, decoded) = (explanation.stats, sum(|read| read.samples));
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "],\"totals\":{{\"series\":{},\"samples\":{decoded},\"samplesFromZones\":{zones},\"peakSamples\":{}",
        stats.series, stats.peak_samples
    );
    push_seconds(out, explanation.time);
    out.push('}');
    if let Some(error) = &explanation.error {
        out.push_str(",\"error\":");
        push_json_string(out, &error.to_string());
    }
    out.push('}');
}

/// As deep as the plan, which is no deeper than an expression may be.
fn push_node(out: &mut String, node: &PlanNode) {
    out.push_str("{\"label\":");
    push_json_string(out, &node.label);
    let _ = write!(out, ",\"steps\":{}", node.steps);
    if node.steps > 1 {
        out.push_str(",\"step\":");
        push_value(out, node.step as f64 / 1000.0);
    }
    match node.fate {
        Fate::Done { series, time } => {
            let _ = write!(out, ",\"state\":\"done\",\"series\":{series}");
            push_seconds(out, time);
        }
        Fate::Streamed => out.push_str(",\"state\":\"streamed\""),
        Fate::NotRun => out.push_str(",\"state\":\"not run\""),
    }
    if let Some(read) = node.read {
        let _ = write!(out, ",\"read\":{read}");
    }
    out.push_str(",\"inputs\":[");
    for (i, input) in node.inputs.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_node(out, input);
    }
    out.push_str("]}");
}

fn push_read(out: &mut String, read: &PlanRead) {
    out.push_str("{\"selector\":");
    push_json_string(out, &read.selector);
    out.push_str(",\"start\":");
    push_time(out, read.range.from);
    out.push_str(",\"end\":");
    push_time(out, read.range.to);
    let _ = write!(out, ",\"selectors\":{}", read.selectors);
    if let Some(estimated) = read.estimated {
        let _ = write!(out, ",\"estimatedSeries\":{estimated}");
    }
    let _ = write!(
        out,
        ",\"series\":{},\"samples\":{},\"samplesFromZones\":{}}}",
        read.series, read.samples, read.samples_from_zones
    );
}

fn push_seconds(out: &mut String, time: Duration) {
    out.push_str(",\"seconds\":");
    push_value(out, time.as_secs_f64());
}
