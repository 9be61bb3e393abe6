//! Pages about hostile and about large models.

use fusewright_ir::{DType, Graph, text};
use fusewright_page::{EmbeddedModel, PageData, PageSettings, PageSubject, Reader, Tables, TimedPlan, report_page};
use fusewright_pattern::{Library, Surroundings, find};
use fusewright_plan::{
    Analysis, AttentionFusionPartitioner, EagerPartitioner, OptimalFusionPartitioner, Partitioner, Plan, Profile,
    Timing, time_plan,
};
use fusewright_report::{ExplainReport, Explained, PlanReport, Subject};
use proptest::prelude::*;

/// The data of a page about a graph, planned in three ways for a device.
fn data_of(graph: &Graph) -> PageData {
    let analysis = Analysis::of(graph);
    let device = fusewright_device::find("a100-sxm-80").expect("it is built in");
    let plan = |partitioner: &dyn Partitioner| {
        partitioner.partition(&analysis, Profile::Default).expect("plans are certified")
    };
    let eager = plan(&EagerPartitioner);
    let attention = plan(&AttentionFusionPartitioner::default());
    let optimal = plan(&OptimalFusionPartitioner { effort: 2_000, ..OptimalFusionPartitioner::new(Some(&device)) });
    let plans: Vec<(&Plan, Timing)> =
        [&eager, &attention, &optimal].into_iter().map(|plan| (plan, time_plan(&analysis, plan, &device))).collect();
    let subject = Subject { analysis: &analysis, source: "test", format: "text" };
    let library = Library::built_in();
    let surroundings = Surroundings::new(graph, &analysis.storage, &analysis.consumers, &analysis.attentions);
    let findings = find(&surroundings, &library);
    let explained: Vec<Explained> = plans
        .iter()
        .map(|(plan, timing)| Explained {
            subject,
            plan,
            eager: &eager,
            timed: Some((&device, timing)),
            library: &library,
            findings: &findings,
        })
        .collect();
    let explained = ExplainReport::new(&explained, None).expect("there are plans");
    let timed: Vec<TimedPlan> = plans.iter().map(|(plan, timing)| TimedPlan { plan, timing: Some(timing) }).collect();
    let pairs: Vec<(&Plan, &Timing)> = plans.iter().map(|(plan, timing)| (*plan, timing)).collect();
    let all: Vec<&Plan> = pairs.iter().map(|(plan, _)| *plan).collect();
    let report = PlanReport::new(&subject, &eager, &all).with_times(&subject, &device, &pairs);
    let subject = PageSubject {
        analysis: &analysis,
        eager: timed[0],
        plans: &timed,
        device: Some(&device),
        explained: &explained,
    };
    PageData::new(&subject, report, PageSettings::default())
}

/// What must hold of the data of any graph.
fn check(graph: &Graph, data: &PageData) -> Result<(), TestCaseError> {
    for (plan, strategy) in data.plans.iter().zip(&data.report.strategies) {
        let kernels = &plan.kernels;
        let count = kernels.count();
        prop_assert_eq!(count as u64, strategy.kernels);
        for column in [&kernels.flops, &kernels.read, &kernels.written] {
            prop_assert_eq!(column.len(), count);
        }
        let moved: u64 = kernels.read.iter().chain(&kernels.written).sum();
        prop_assert_eq!(moved, strategy.bytes.moved());
        for k in 0..count {
            let reads = &kernels.reads[kernels.reads_start[k] as usize..kernels.reads_start[k + 1] as usize];
            prop_assert!(reads.iter().all(|&from| (from as usize) < k), "kernels run after what they read");
        }
        // Sections cover the kernels in order, and the outline covers the sections.
        let mut next = 0;
        for (number, section) in plan.sections.iter().enumerate() {
            prop_assert_eq!(section.first, next);
            prop_assert!(section.count > 0 && section.like as usize <= number);
            let like = &plan.sections[section.like as usize];
            prop_assert_eq!((like.count, like.layout.is_some()), (section.count, true));
            next += section.count;
        }
        prop_assert_eq!(next as usize, count);
        let covered: u32 = plan.outline.iter().map(|entry| entry.period * entry.times).sum();
        prop_assert_eq!(covered as usize, plan.sections.len());
        // Memory agrees with the plan's own figure.
        let mut peak = plan.memory.inputs;
        for k in 0..count {
            let alive = |at: usize| plan.memory.from[at] as usize <= k && plan.memory.to[at] as usize >= k;
            let live: u64 = (0..plan.memory.bytes.len()).filter(|&at| alive(at)).map(|at| plan.memory.bytes[at]).sum();
            peak = peak.max(live + plan.memory.inputs);
        }
        prop_assert_eq!(peak, strategy.peak_memory_bytes);
        // Savings add up to the difference from eager.
        let kernels_saved: i64 = plan.savings.iter().map(|row| row.kernels).sum();
        let bytes_saved: i64 = plan.savings.iter().map(|row| row.bytes).sum();
        prop_assert_eq!((kernels_saved, bytes_saved), (strategy.kernels_saved, strategy.bytes_saved));
        let us_saved: f64 = plan.savings.iter().filter_map(|row| row.us).sum();
        let before = data.report.strategies[0].latency_us.expect("there is a device").mid;
        let after = strategy.latency_us.expect("there is a device").mid;
        prop_assert!((before - after - us_saved).abs() < 0.01 + before * 1e-6, "{before} - {after} is {us_saved}");
    }
    prop_assert_eq!(data.ops.name.len(), graph.node_count());
    Ok(())
}

proptest! {
    #![proptest_config(fusewright_testing::cases_up_to(100))]
    #[test]
    fn data_agree_with_the_plans(sample in fusewright_testing::graphs(40)) {
        let data = data_of(&sample.0);
        check(&sample.0, &data)?;
    }
}

#[test]
fn equal_layers_are_one_picture() {
    let graph = fusewright_testing::transformer(400);
    let data = data_of(&graph);
    check(&graph, &data).unwrap();
    for plan in &data.plans {
        let most = plan.outline.iter().map(|entry| entry.times).max().unwrap();
        assert!(most >= 10, "{}: {:?}", plan.strategy, plan.outline);
    }
}

#[test]
fn names_cannot_leave_their_block() {
    let evil = "</script><script>alert(1)</script><!-- \u{202e}\u{0}'\"`${1}";
    let mut graph = Graph::new(evil);
    let parsed = text::parse("graph \"g\" {\n input %x: f32[8]\n %y: f32[8] = relu(%x)\n output %y\n}").unwrap();
    let source = parsed.nodes().next().unwrap().1.clone();
    let ty = fusewright_ir::Type::tensor(DType::F32, [8]);
    let input = graph.add_source(evil, ty.clone(), fusewright_ir::Origin::Input);
    let scope = graph.intern(evil);
    let long = "x".repeat(10_000);
    let origin = fusewright_ir::Source { form: source.source.form, op: scope, scope };
    let first = graph.add_node(evil, source.op.clone(), [input], [(evil.to_owned() + "1", ty.clone())], origin);
    let middle = graph.node(first).outputs[0];
    let last = graph.add_node(&long, source.op, [middle], [(long.clone() + "1", ty)], origin);
    let output = graph.node(last).outputs[0];
    graph.add_output(output);
    let data = data_of(&graph);
    check(&graph, &data).unwrap();
    let tables = Tables::of(&Library::default(), None);
    let model = EmbeddedModel { name: evil, bytes: evil.as_bytes(), reader: Reader::Onnx, tables: &tables };
    let page = report_page(&data, Some(model));
    assert!(!page.contains("alert(1)</script>") && !page.contains("<script>alert"), "names are escaped");
    // Data, model, tables, planner, reader, unpacker, script.
    assert_eq!(page.matches("</script>").count(), 7);
    assert_eq!(page.matches("<script").count(), 7 + page.matches("\"<script").count());
}
