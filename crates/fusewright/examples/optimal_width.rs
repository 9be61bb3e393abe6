//! x
use fusewright::Session;
use fusewright_plan::{Analysis, OptimalFusionPartitioner, Partitioner, Profile, time_plan};
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let device = fusewright_device::find(&args[0]);
    for name in &args[2..] {
        let model = Session::new().load(name).unwrap();
        let analysis = Analysis::of(model.decomposed());
        let mut p = OptimalFusionPartitioner::new(device.as_ref());
        p.effort = args[1].parse().unwrap();
        let start = Instant::now();
        let plan = p.partition(&analysis, Profile::Default).unwrap();
        let o = plan.optimality.unwrap();
        println!(
            "{name} {:.3}s gap {:.4} widest {} looked {} price {}",
            start.elapsed().as_secs_f64(),
            o.gap(),
            o.widest,
            o.looked_at,
            o.price
        );
        if args[1] == "4097" {
            for g in 0..plan.counted {
                let names: Vec<&str> = plan
                    .groups
                    .members(g)
                    .iter()
                    .filter(|id| !analysis.storage.is_free(**id))
                    .map(|&id| model.decomposed().node_name(id))
                    .collect();
                println!("  {}", names.join(" "));
            }
            if let Some(d) = &device {
                println!("{:?}", time_plan(&analysis, &plan, d).not_realizable);
            }
        }
    }
}
