//! Tests in rule files: every alert and channel they name exists, every label can be there.

use super::build::Draft;
use super::clause::{Clause, InstanceClause, StepClause};
use super::diagnostic::Mistake;
use super::folder::Folder;
use super::instances::Instances;
use super::labels::Produced;
use super::names::Names;
use super::near::nearest;
use super::reserved::OwnAlert;
use super::scan::Placed;
use super::table::Kind;
use super::types::{
    ExpectedInstance, ExpectedSample, InstanceName, Place, RuleSet, Step, StepKind, Test,
};
use crate::promql::ast::Span;

impl Folder<'_> {
    /// Checks the tests of the folder, and adds those without errors.
    pub(super) fn tests(&mut self, drafts: &[Draft], instances: &Instances, rules: &mut RuleSet) {
        let channels = Names::new(drafts, Kind::Channel);
        let alerts = Names::of(drafts, &[Kind::Alert, Kind::Sla]);
        for draft in drafts.iter().filter(|d| d.kind == Kind::Test) {
            let mut found = Vec::new();
            for entry in &draft.clauses {
                let Clause::Step(_, step) = &entry.clause else {
                    continue;
                };
                if let StepClause::Notify { channel, .. } | StepClause::Silent(channel) = step {
                    found.extend(self.unknown_channel(channel, &channels));
                }
                for instance in instances_of(step) {
                    let own = OwnAlert::named(&instance.alert.value).map(OwnAlert::labels);
                    match own.as_ref().or(instances.of(&instance.alert.value)) {
                        Some(labels) => found.extend(impossible(instance, labels)),
                        None => found.extend(self.not_an_alert(instance, &alerts, instances)),
                    }
                }
            }
            if draft
                .clauses
                .iter()
                .all(|e| !matches!(e.clause, Clause::Step(..)))
                && !draft.spoiled
            {
                found.push(
                    Mistake::error(draft.name.span, "this test checks nothing")
                        .label("it needs a line such as `at 10m` with what is expected below"),
                );
            }
            if draft.is_usable(&found) {
                let test = self.test(draft);
                rules.tests.push(test);
            }
            self.tell(draft, found);
        }
    }

    fn test(&self, draft: &Draft) -> Test {
        let mut test = Test {
            name: draft.name.value.clone(),
            start: None,
            loads: Vec::new(),
            steps: Vec::new(),
            place: self.place(draft),
        };
        for entry in &draft.clauses {
            match &entry.clause {
                Clause::Start(time) => test.start = Some(*time),
                Clause::Load(load) => test.loads.push(load.clone()),
                Clause::Step(at, step) => test.steps.push(Step {
                    at: *at,
                    kind: kind(step, |span| self.place_at(draft.file, span)),
                    place: self.place_at(draft.file, entry.word),
                }),
                _ => {}
            }
        }
        // Stable: at one time the order written counts.
        test.steps.sort_by_key(|step| step.at);
        test
    }
}

impl Folder<'_> {
    /// A mistake about a name that is none of an alert.
    fn not_an_alert(
        &self,
        instance: &InstanceClause,
        alerts: &Names<'_>,
        instances: &Instances,
    ) -> Option<Mistake> {
        let Placed { span, value: name } = &instance.alert;
        let objective = name.rsplit_once(':').map_or(name.as_str(), |(sla, _)| sla);
        let of_objective = instances.of_objective(objective);
        if of_objective.is_empty() {
            let help = "a test names the alerts of its folder, those of objectives among them";
            return self.unknown(&instance.alert, alerts, help);
        }
        let mistake = Mistake::error(*span, format!("no alert is named `{name}`"));
        let names: Vec<String> = of_objective.iter().map(|n| format!("`{n}`")).collect();
        let names = names.join(" and ");
        Some(mistake.label(format!("the objective `{objective}` raises {names}")))
    }
}

fn instances_of(step: &StepClause) -> Vec<&InstanceClause> {
    match step {
        StepClause::At(lines) => lines.iter().map(|line| &line.instance).collect(),
        StepClause::Notify { instance, .. } | StepClause::Ack(instance) => vec![instance],
        StepClause::Eval(..) | StepClause::Silent(_) => Vec::new(),
    }
}

/// The labels of an instance that its alert cannot have.
fn impossible(instance: &InstanceClause, labels: &Produced) -> Vec<Mistake> {
    let missing = instance.labels.iter().filter(|(name, _)| !labels.can(name));
    missing
        .map(|(name, _)| {
            let alert = &instance.alert.value;
            let message = format!("`{name}` is not a label of `{alert}`");
            let mistake = Mistake::error(instance.labels_span, message);
            let Produced::Only(known) = labels else {
                return mistake.label("the expression takes this label away");
            };
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            match nearest(name, known.iter().copied()) {
                Some(near) => mistake.label(format!("did you mean `{near}`?")),
                None => mistake.label(format!("labels there: {}", known.join(", "))),
            }
        })
        .collect()
}

fn kind(step: &StepClause, place: impl Fn(Span) -> Place) -> StepKind {
    match step {
        StepClause::Eval(expr, expected) => StepKind::Eval {
            expr: expr.clone(),
            expected: expected
                .iter()
                .map(|line| ExpectedSample {
                    labels: line.labels.clone(),
                    is_nameless: line.is_nameless,
                    value: line.value,
                    place: place(line.span),
                })
                .collect(),
        },
        StepClause::At(lines) => StepKind::At {
            expected: lines
                .iter()
                .map(|line| ExpectedInstance {
                    state: line.state,
                    instance: name(&line.instance),
                    summary: line.summary.clone(),
                    place: place(line.instance.alert.span),
                })
                .collect(),
        },
        StepClause::Notify {
            channel,
            resolved,
            instance,
        } => StepKind::Notify {
            channel: channel.value.clone(),
            resolved: *resolved,
            instance: name(instance),
        },
        StepClause::Silent(channel) => StepKind::Silent {
            channel: channel.value.clone(),
        },
        StepClause::Ack(instance) => StepKind::Ack {
            instance: name(instance),
        },
    }
}

fn name(instance: &InstanceClause) -> InstanceName {
    InstanceName {
        alert: instance.alert.value.clone(),
        labels: instance.labels.clone(),
    }
}
