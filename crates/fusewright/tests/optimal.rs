//! The optimal plan of every built-in model: proven, and faster than every other plan.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright::{PlanOptions, Session, Strategy, models};

/// Each rule makes plans faster: optimal ≤ attention ≤ standard ≤ eager, each taken as the kernels that the device runs.
#[test]
fn plans_of_built_in_models_are_proven_and_in_order() {
    let mut planned = 0;
    for model in models() {
        let model = Session::new().load(model.name).unwrap();
        for id in ["h100-sxm", "xeon-8490h", "tpu-v4"] {
            let strategies = [Strategy::Eager, Strategy::Standard, Strategy::Attention, Strategy::Optimal];
            let device = Some(fusewright::device(id).unwrap());
            let options = PlanOptions { strategies: strategies.to_vec(), device, ..PlanOptions::default() };
            let plans = model.plan(&options).unwrap();
            let optimality = plans.plan(Strategy::Optimal).unwrap().optimality.unwrap();
            assert!(optimality.is_proven(), "{} on {id}: gap {}", model.name(), optimality.gap());
            let times: Vec<f64> = plans.timings().map(|(_, _, timing)| timing.total.us).collect();
            let falls = times.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-9));
            assert!(falls, "{} on {id}: {times:?} µs", model.name());
            planned += 1;
        }
    }
    assert!(planned >= 120);
}

/// Every choice of the search is counted, so that a plan that takes long is seen without a clock.
#[test]
fn a_deep_model_takes_few_choices() {
    let model = Session::new().load("llama-3-70b").unwrap();
    let options = PlanOptions {
        strategies: vec![Strategy::Optimal],
        device: Some(fusewright::device("h100-sxm").unwrap()),
        ..PlanOptions::default()
    };
    let plans = model.plan(&options).unwrap();
    let optimality = plans.plan(Strategy::Optimal).unwrap().optimality.unwrap();
    assert!(optimality.looked_at < 50_000, "{} choices", optimality.looked_at);
}

/// Without a device, bytes are what counts; a search that may not look far says how far off it may be.
#[test]
fn a_search_without_effort_still_plans() {
    let model = Session::new().load("vit_b_16").unwrap();
    let moved = |effort| {
        let strategies = vec![Strategy::Optimal];
        let plans = model.plan(&PlanOptions { strategies, effort, ..PlanOptions::default() }).unwrap();
        let plan = plans.plan(Strategy::Optimal).unwrap();
        (plan.total.moved(), plan.optimality.unwrap())
    };
    let (best, proven) = moved(None);
    let (hurried, found) = moved(Some(0));
    assert!(proven.is_proven());
    assert!(best <= hurried && found.bound <= best as f64 + 1.0);
}
