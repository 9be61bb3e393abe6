//! The time that no plan of a graph can beat on a device.

use fusewright_device::Device;
use fusewright_ir::{DType, Graph, Node, Storage, node_work};

use super::floor_bytes;
use crate::time::contraction_peak;

/// max(Σ FLOPs of contractions / peak of their element type, compulsory bytes / bandwidth), µs.
///
/// Arithmetic outside contractions is left out: it may overlap with anything. What a plan cannot avoid paying for
/// launches is apart, in [`launch_floor_us`], because a replayed graph hides all but one.
pub fn floor_us(graph: &Graph, storage: &Storage, device: &Device) -> f64 {
    let arithmetic: f64 = graph
        .nodes()
        .map(|(id, node)| {
            let flops = node_work(graph, id).contraction_flops();
            if flops == 0 { 0.0 } else { flops as f64 / contraction_peak(device, contraction_dtype(graph, node)) }
        })
        .sum();
    let memory = floor_bytes(graph, storage) as f64 / (device.memory.bandwidth_gb_s.value * 1e9);
    1e6 * arithmetic.max(memory)
}

/// Least time for being started, µs: one kernel if the graph does anything at all.
pub fn launch_floor_us(graph: &Graph, storage: &Storage, device: &Device) -> f64 {
    let works = graph.nodes().any(|(id, _)| !storage.is_free(id));
    if works { device.launch.floor_us.value } else { 0.0 }
}

/// The element type that a contraction's products are taken in: that of its first tensor.
fn contraction_dtype(graph: &Graph, node: &Node) -> DType {
    node.inputs.iter().find_map(|&input| graph.tensor(input)).map_or(DType::F32, |tensor| tensor.dtype)
}
