//! Findings for machines that show them beside the code: GitHub's workflow commands, SARIF and `JUnit`.
//!
//! They point to the line of the lock file that holds what was found, if its text is given.

use std::fmt::Write;

use serde_json::{Value, json};

use super::findings::{Finding, Level, RULES};
use super::text::summary;
use super::{CheckReport, Verdict};

/// Workflow commands of GitHub Actions: one annotation for each finding, the summary last.
pub fn github(report: &CheckReport, lock: Option<&str>) -> String {
    let mut out = String::new();
    for finding in report.findings() {
        let command = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "notice",
        };
        let (file, line) = (property(&report.lock), line_of(lock, &finding));
        let title = property(&format!("fusewright: {}", finding.rule));
        let _ = writeln!(out, "::{command} file={file},line={line},title={title}::{}", data(&message(&finding)));
    }
    out.push_str(&summary(report).replace('\u{a0}', " "));
    out.push('\n');
    out
}

/// The findings as SARIF 2.1.0, for code scanning.
pub fn sarif(report: &CheckReport, lock: Option<&str>) -> String {
    let rules: Vec<Value> =
        RULES.iter().map(|(id, text)| json!({"id": id, "shortDescription": {"text": text}})).collect();
    let result = |finding: &Finding| {
        let level = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        };
        json!({
            "ruleId": finding.rule,
            "level": level,
            "message": {"text": message(finding)},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": report.lock.replace('\\', "/")},
                "region": {"startLine": line_of(lock, finding)},
            }}],
            "partialFingerprints": {"fusewright/v1": fingerprint(finding)},
        })
    };
    let results: Vec<Value> = report.findings().iter().map(result).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "fusewright", "version": report.tool_version, "rules": rules}},
            "results": results,
        }],
    });
    crate::json::indented(&document)
}

/// The check as a `JUnit` report: one test suite, a test case for each plan of each model.
pub fn junit(report: &CheckReport) -> String {
    let mut cases = String::new();
    let (mut count, mut failures) = (0, 0);
    let mut case = |name: &str, suite: &str, failure: Option<(&str, String)>| {
        count += 1;
        let _ = write!(cases, "    <testcase name=\"{}\" classname=\"{}\"", xml(name), xml(suite));
        match failure {
            None => cases.push_str("/>\n"),
            Some((kind, text)) => {
                failures += 1;
                let first = text.lines().next().unwrap_or_default();
                let _ = writeln!(
                    cases,
                    ">\n      <failure type=\"{kind}\" message=\"{}\">{}</failure>\n    </testcase>",
                    xml(first),
                    xml(&text)
                );
            }
        }
    };
    for model in &report.models {
        let suite = format!("fusewright.{}", model.name);
        let findings = super::findings::of_model(model);
        let texts = |strategy: Option<&str>| {
            let errors = findings.iter().filter(|f| f.level == Level::Error && f.strategy == strategy);
            errors.map(message).collect::<Vec<_>>().join("\n\n")
        };
        for strategy in &model.strategies {
            let failed = strategy.verdict >= Verdict::NoBaseline;
            let of_plan = if model.is_new() { None } else { Some(strategy.name.as_str()) };
            case(&strategy.name, &suite, failed.then(|| (strategy.verdict.name(), texts(of_plan))));
        }
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"fusewright check\" \
         tests=\"{count}\" failures=\"{failures}\">\n{cases}  </testsuite>\n</testsuites>\n"
    )
}

fn message(finding: &Finding) -> String {
    let mut text = format!("{}: {}", finding.model, finding.title);
    for detail in &finding.details {
        text.push('\n');
        text.push_str(detail);
    }
    text.replace('\u{a0}', " ")
}

/// What stays the same about a finding when figures change.
fn fingerprint(finding: &Finding) -> String {
    let parts = [finding.rule, finding.model, finding.strategy.unwrap_or(""), finding.pattern.unwrap_or("")];
    fusewright_ir::text_hash(&parts.join("\u{0}"))
}

/// The line of the lock file that a finding is about: that of its pattern, else of its plan, else of its model.
fn line_of(lock: Option<&str>, finding: &Finding) -> usize {
    let mut lines = lock.unwrap_or_default().lines().zip(1..);
    let mut found = 1;
    for key in [Some(finding.model), finding.strategy, finding.pattern].into_iter().flatten() {
        let wanted = format!("{}: ", Value::from(key));
        match lines.find(|(line, _)| line.trim_start().starts_with(&wanted)) {
            Some((_, number)) => found = number,
            None => break,
        }
    }
    found
}

/// A text as the message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A text as a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A text inside XML; what XML cannot hold becomes `�`.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_leave_their_place() {
        assert_eq!(data("50 %\nnext"), "50 %25%0Anext");
        assert_eq!(property("a:b,c"), "a%3Ab%2Cc");
        assert_eq!(xml("<a b=\"&\">\u{1b}"), "&lt;a b=&quot;&amp;&quot;&gt;\u{fffd}");
    }
}
