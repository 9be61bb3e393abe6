//! What check, compare and explain say of random graphs.

use std::sync::LazyLock;

use fusewright::pattern::Library;
use fusewright::report::{
    CheckOptions, CheckReport, Checked, LockEntry, LockSettings, Subject, TextOptions, Verdict, check_markdown,
    check_text, compare_markdown, compare_text, explain_markdown, explain_text, github, junit, sarif,
};
use fusewright::{CompareSide, Model, PlanOptions, PlanSet, Session, Strategy, compare, pattern_library};
use fusewright_testing::{cases_up_to, graphs};
use proptest::prelude::*;

static LIBRARY: LazyLock<Library> = LazyLock::new(|| pattern_library(&[] as &[&str]).expect("the library is built in"));

fn model(graph: fusewright::ir::Graph) -> Model {
    Session::new().load_graph(graph, "random", "text").expect("random graphs are valid")
}

fn plans<'a>(model: &'a Model, device: Option<&str>) -> PlanSet<'a> {
    let device = device.map(|name| fusewright::device(name).expect("a built-in device"));
    let options = PlanOptions { strategies: Strategy::ALL.to_vec(), device, ..PlanOptions::default() };
    model.plan(&options).expect("plans are certified")
}

fn entry(plans: &PlanSet) -> LockEntry {
    let subject = Subject { analysis: plans.analysis(), source: "random", format: "text" };
    let settings = LockSettings { model: "random".into(), profile: "default".into(), ..LockSettings::default() };
    let all: Vec<_> = plans.plans().map(|(_, plan)| (plan, None)).collect();
    LockEntry::of(&subject, settings, None, &all)
}

/// One plan set held against the entry of another.
fn checked(plans: &PlanSet, before: &LockEntry) -> CheckReport {
    let subject = Subject { analysis: plans.analysis(), source: "random", format: "text" };
    let (now, all): (_, Vec<_>) = (entry(plans), plans.plans().map(|(_, plan)| plan).collect());
    let checked = Checked { subject, now: &now, plans: &all, device: None };
    CheckReport::new("lock", 0.02, vec![checked.against("random", before, CheckOptions::default())])
}

/// Lines of a page fit a terminal.
fn fits(page: &str) {
    for line in page.lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
}

proptest! {
    #![proptest_config(cases_up_to(1000))]

    #[test]
    fn explanations_hold_every_kernel(sample in graphs(40)) {
        let model = model(sample.0);
        let library = &*LIBRARY;
        for device in [None, Some("a100-sxm-80")] {
            let plans = plans(&model, device);
            let last = plans.analysis().graph.nodes().last().map(|(_, node)| node.name);
            let name = last.map(|symbol| plans.analysis().graph.text(symbol).to_owned());
            let report = plans.explain(library, None).expect("plans were made");
            for (explained, (_, plan)) in report.plans.iter().zip(plans.plans()) {
                let working = (0..plan.counted).filter(|&group| plan.costs[group].kernels > 0).count() as u64;
                prop_assert_eq!(explained.groups.iter().map(|group| group.times).sum::<u64>(), working);
                let bytes: u64 = explained.groups.iter().map(|group| group.bytes * group.times).sum();
                let counted: u64 = plan.costs[..plan.counted].iter().map(fusewright_cost::GroupCost::moved).sum();
                prop_assert_eq!(bytes, counted);
            }
            fits(&explain_text(&report, TextOptions { top: 0, ..TextOptions::default() }));
            explain_markdown(&report, 3);
            if let Some(name) = name {
                let node = plans.explain(library, Some(&name)).expect("the node is there");
                fits(&explain_text(&node, TextOptions::default()));
            }
        }
    }

    #[test]
    fn a_plan_agrees_with_itself_and_differences_turn_round(one in graphs(30), other in graphs(30)) {
        let (one, other) = (model(one.0), model(other.0));
        let (one, other) = (plans(&one, None), plans(&other, None));
        let locked = entry(&one);
        let same = checked(&one, &locked);
        prop_assert_eq!(same.verdict, Verdict::Same);
        let report = checked(&other, &locked);
        let turned = checked(&one, &entry(&other));
        for (there, back) in report.models[0].strategies.iter().zip(&turned.models[0].strategies) {
            let patterns = |list: &[fusewright::report::FusionReport]| -> Vec<(String, u64)> {
                list.iter().map(|fusion| (fusion.pattern.clone(), fusion.times)).collect()
            };
            prop_assert_eq!(patterns(&there.vanished), patterns(&back.appeared));
            prop_assert_eq!(there.verdict == Verdict::Same, back.verdict == Verdict::Same);
        }
        for report in [&same, &report] {
            fits(&check_text(report, TextOptions::default()));
            check_markdown(report);
            github(report, Some("{}"));
            sarif(report, None);
            junit(report);
        }
        let sides = [Strategy::Eager, Strategy::Attention].map(|strategy| CompareSide { plans: &one, strategy });
        let report = compare(&sides, 0, 1).expect("both were made");
        prop_assert!(report.same_model && report.vanished.is_empty());
        fits(&compare_text(&report, TextOptions::default()));
        compare_markdown(&report, 0);
    }
}
