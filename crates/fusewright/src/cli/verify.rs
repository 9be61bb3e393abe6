//! `fusewright verify`

use fusewright::Session;
use fusewright::execution::{Case, Verification, VerifyOptions};
use serde_json::{Value, json};

use super::args::{ListFormat, VerifyArguments, parse_dim};
use super::diagnostics::{Failure, note, warn};
use super::output::{self, Style};

/// The models disagree.
const NOT_EQUIVALENT: u8 = 1;

pub(crate) fn run(arguments: &VerifyArguments) -> Result<(), Failure> {
    output::check(&arguments.output)?;
    let options = VerifyOptions { seeds: (0..arguments.seeds.max(1)).collect(), tolerance: arguments.tolerance };
    let session = arguments.options.session()?;
    let mut sessions = vec![("as given".to_owned(), session.clone())];
    for binding in &arguments.also {
        sessions.push((binding.clone(), bound(&session, binding)?));
    }
    let mut found = Vec::new();
    for (position, (binding, session)) in sessions.iter().enumerate() {
        let (a, b) = (session.load(&arguments.first)?, session.load(&arguments.second)?);
        if position == 0 && !arguments.options.quiet {
            for model in [&a, &b] {
                model.notes().iter().for_each(|text| note(text));
                warn(model.warnings(), arguments.options.verbose);
            }
        }
        let verification = a.verify(&b, &options)?;
        found.push((binding.as_str(), verification));
    }
    let passes = found.iter().all(|(_, verification)| verification.passes());
    let text = match arguments.format {
        ListFormat::Text => text(&found, passes),
        ListFormat::Json => json(&found, passes),
    };
    output::write(&arguments.output, &text, Style::Plain)?;
    if passes { Ok(()) } else { Err(Failure::Found { code: NOT_EQUIVALENT }) }
}

/// The session with some dims bound otherwise.
fn bound(session: &Session, binding: &str) -> Result<Session, Failure> {
    let mut session = session.clone();
    for part in binding.split(',') {
        let (name, size) = parse_dim(part).map_err(Failure::usage)?;
        session = session.with_dim(name, size);
    }
    Ok(session)
}

fn text(found: &[(&str, Verification)], passes: bool) -> String {
    let worst = found.iter().map(|(_, verification)| verification.worst()).fold(0.0, f64::max);
    let cases: usize = found.iter().map(|(_, verification)| verification.cases.len()).sum();
    let verdict = if passes { "the same function" } else { "not the same function" };
    let mut lines = vec![format!("{verdict}: {cases} cases, largest relative difference {worst:.2e}")];
    if let Some((_, first)) = found.first() {
        let [a, b] = first.generated;
        if a + b > 0 {
            lines.push(format!("weights made up from the seed: {a} of the first model, {b} of the second"));
        }
        if first.shared > 0 {
            lines.push(format!("weights that only one model has, taken by the other: {}", first.shared));
        }
    }
    for (binding, verification) in found {
        for case in &verification.cases {
            lines.push(format!("\n{binding}, seed {}", case.seed));
            for row in &case.outputs {
                let mark = if row.passes() { "ok " } else { "BAD" };
                let name = fusewright::report::printable(&row.name);
                lines.push(format!(
                    "  {mark} {:<38} abs {:.2e}  rel {:.2e}",
                    shortened(&name, 38),
                    row.difference.absolute,
                    row.difference.relative
                ));
            }
            lines.extend(divergence(case));
        }
    }
    lines.join("\n") + "\n"
}

fn shortened(name: &str, width: usize) -> String {
    let count = name.chars().count();
    if count <= width {
        name.to_owned()
    } else {
        format!("…{}", name.chars().skip(count + 1 - width).collect::<String>())
    }
}

fn divergence(case: &Case) -> Vec<String> {
    let Some(first) = &case.divergence else { return Vec::new() };
    vec![
        format!("  first difference: `{}` ({})", first.node, first.op),
        format!("    in `{}`, held against `{}` of the second model", first.scope, first.other),
        format!(
            "    abs {:.2e}, rel {:.2e}; {} results before it agree",
            first.difference.absolute, first.difference.relative, first.agreed
        ),
    ]
}

fn json(found: &[(&str, Verification)], passes: bool) -> String {
    let number = |value: f64| if value.is_finite() { json!(value) } else { Value::Null };
    let cases: Vec<Value> = found
        .iter()
        .flat_map(|(binding, verification)| verification.cases.iter().map(move |case| (binding, case)))
        .map(|(binding, case)| {
            let outputs: Vec<Value> = case
                .outputs
                .iter()
                .map(|row| {
                    json!({
                        "name": row.name,
                        "other": row.other,
                        "max_abs": number(row.difference.absolute),
                        "max_rel": number(row.difference.relative),
                        "tolerance": row.tolerance,
                        "exact": row.difference.absolute == 0.0,
                        "passes": row.passes(),
                    })
                })
                .collect();
            let divergence = case.divergence.as_ref().map(|first| {
                json!({
                    "node": first.node, "op": first.op, "scope": first.scope, "value": first.value,
                    "other": first.other, "agreed_before": first.agreed,
                    "max_abs": number(first.difference.absolute), "max_rel": number(first.difference.relative),
                })
            });
            json!({ "dims": binding, "seed": case.seed, "outputs": outputs, "first_difference": divergence })
        })
        .collect();
    let worst = found.iter().map(|(_, verification)| verification.worst()).fold(0.0, f64::max);
    let report = json!({ "schema_version": 1, "equivalent": passes, "max_rel": number(worst), "cases": cases });
    serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
}
