use fusewright::{PlanOptions, Session, Strategy};
use std::time::Instant;
fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let hw = args.remove(0);
    for name in args {
        let Ok(model) = Session::new().load(&name) else {
            println!("{name}: unreadable");
            continue;
        };
        let device = fusewright_device::find(&hw);
        let mut options = PlanOptions { device, ..PlanOptions::default() };
        options.strategies = vec![Strategy::Optimal];
        let start = Instant::now();
        let plans = model.plan(&options).unwrap();
        let time = start.elapsed().as_secs_f64();
        let o = plans.plan(Strategy::Optimal).unwrap().optimality.unwrap();
        let kernels = plans.plan(Strategy::Optimal).unwrap().total.kernels;
        options.strategies = vec![Strategy::Eager, Strategy::Standard, Strategy::Attention, Strategy::Compiled];
        let others = model.plan(&options).unwrap();
        let us: Vec<String> = others.timings().map(|(s, _, t)| format!("{} {:.0}", s.name(), t.total.us)).collect();
        println!(
            "{name}: {} nodes {time:.3}s gap {:.4} widest {} looked {} kernels {kernels} price {:.0} | {}",
            model.decomposed().node_count(),
            o.gap(),
            o.widest,
            o.looked_at,
            o.price,
            us.join(" ")
        );
    }
}
