//! What holds for every prediction on every class of device.

use fusewright_cost::time::{
    Attention, AttentionLibrary, Convolution, Gemm, Kernel, Layout, Stream, StreamKind, predict, predict_resident,
    roofline_us,
};
use fusewright_device::Device;
use fusewright_ir::DType;
use proptest::prelude::*;

use crate::devices;

fn all_devices() -> Vec<Device> {
    let mut all = vec![devices::desktop()];
    for flow in ["output-stationary", "weight-stationary", "input-stationary"] {
        for (buffered, arrays, side) in [(true, 4, 128), (false, 1, 32), (true, 3, 7)] {
            all.push(devices::systolic(flow, buffered, arrays, side));
        }
    }
    all
}

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..300, 1_u64..20_000, Just(u64::MAX)]
}

fn dtype() -> impl Strategy<Value = DType> {
    prop::sample::select(vec![DType::F32, DType::Bf16, DType::F16, DType::I8, DType::I4, DType::F64])
}

fn kernel() -> impl Strategy<Value = Kernel> {
    let gemm = (size(), size(), size(), size(), dtype())
        .prop_map(|(batch, m, n, k, dtype)| Kernel::Gemm(Gemm::plain(batch, m, n, k, dtype)));
    let attention = (1_u64..9, 0_u64..5, 0_u64..5, size(), size(), 1_u64..300, any::<bool>(), dtype()).prop_map(
        |(batch, kv_heads, shared, queries, keys, width, causal, dtype)| {
            let (head_dim, value_dim) = (width, width);
            let heads = kv_heads * shared;
            let (bytes, library) = (0, AttentionLibrary::PyTorch);
            let a =
                Attention { batch, heads, kv_heads, queries, keys, head_dim, value_dim, causal, dtype, bytes, library };
            Kernel::Attention(a.with_operand_bytes())
        },
    );
    let kinds = prop::sample::select(vec![
        StreamKind::Pointwise,
        StreamKind::Softmax,
        StreamKind::LayerNorm,
        StreamKind::BlockNorm,
        StreamKind::RmsNorm,
        StreamKind::Reduction,
        StreamKind::Copy,
        StreamKind::Resample,
    ]);
    let stream =
        (kinds, size(), size(), dtype(), size(), size()).prop_map(|(kind, rows, cols, dtype, flops, bytes)| {
            Kernel::Stream(Stream { kind, rows, cols, dtype, flops, bytes })
        });
    let layouts = prop::sample::select(vec![Layout::ChannelsFirst, Layout::ChannelsLast]);
    let convolution = (size(), size(), size(), size(), dtype(), layouts).prop_map(|(batch, m, n, k, dtype, layout)| {
        Kernel::Convolution(Convolution { product: Gemm::plain(batch, m, n, k, dtype), layout })
    });
    prop_oneof![gemm, convolution, attention, stream]
}

proptest! {
    #[test]
    fn nothing_is_faster_than_the_roofline_and_terms_cover_the_time(kernel in kernel()) {
        for device in all_devices() {
            let prediction = predict(&device, &kernel);
            let roof = roofline_us(&device, &kernel);
            prop_assert!(prediction.us.is_finite() && prediction.us >= roof, "{}: {prediction:?} below {roof}", device.id);
            let sum: f64 = prediction.terms.iter().map(|term| term.us).sum();
            prop_assert!(sum >= prediction.us * (1.0 - 1e-9), "{}: {prediction:?} is not covered by its terms", device.id);
            prop_assert!(prediction.terms.iter().all(|term| term.us > 0.0));
            prop_assert!(predict_resident(&device, &kernel).us.is_finite());
        }
    }

    #[test]
    fn more_rows_never_take_less_time(m in 1_u64..5000, n in 1_u64..5000, k in 1_u64..5000, more in 1_u64..300) {
        for device in all_devices() {
            let time = |m, n, k| predict(&device, &Kernel::Gemm(Gemm::plain(1, m, n, k, DType::Bf16))).us;
            let small = time(m, n, k) * (1.0 - 1e-9);
            prop_assert!(small <= time(m + more, n, k), "{} m", device.id);
            prop_assert!(small <= time(m, n + more, k), "{} n", device.id);
            prop_assert!(small <= time(m, n, k + more), "{} k", device.id);
        }
    }

    #[test]
    fn a_faster_memory_never_makes_a_kernel_slower(kernel in kernel()) {
        for device in all_devices() {
            let mut faster = device.clone();
            faster.memory.bandwidth_gb_s.value *= 2.0;
            prop_assert!(predict(&faster, &kernel).us <= predict(&device, &kernel).us);
        }
    }
}
