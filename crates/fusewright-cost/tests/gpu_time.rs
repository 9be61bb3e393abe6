//! What holds for the time of every kernel on every GPU.

use fusewright_cost::time::gpu::grid;
use fusewright_cost::time::{
    Attention, AttentionLibrary, Convolution, Gemm, Kernel, Layout, Stream, StreamKind, merge_gain, predict,
    roofline_us,
};
use fusewright_device::{Class, Device, find, ids};
use fusewright_ir::DType;
use proptest::prelude::*;

fn gpus() -> Vec<Device> {
    ids().filter_map(find).filter(|device| device.class == Class::Gpu).collect()
}

fn dtype() -> impl Strategy<Value = DType> {
    prop::sample::select(vec![DType::F64, DType::F32, DType::F16, DType::Bf16, DType::F8E4M3, DType::I8, DType::I4])
}

/// Sizes of every magnitude, none and the largest included.
fn size() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 8 => 1..64_u64, 8 => 1..10_000_u64, 2 => 1..1_000_000_000_u64, 1 => Just(u64::MAX)]
}

fn kernel() -> impl Strategy<Value = Kernel> {
    let gemm = (size(), size(), size(), size(), dtype(), size()).prop_map(|(batch, m, n, k, dtype, bytes)| {
        let plain = Gemm::plain(batch, m, n, k, dtype);
        Kernel::Gemm(Gemm { bytes: plain.bytes.saturating_add(bytes), ..plain })
    });
    let sizes = (size(), size(), size(), size(), size(), size(), size());
    let attention = (sizes, any::<bool>(), dtype()).prop_map(|(sizes, causal, dtype)| {
        let (batch, heads, kv_heads, queries, keys, head_dim, value_dim) = sizes;
        let (bytes, library) = (0, AttentionLibrary::PyTorch);
        let it =
            Attention { batch, heads, kv_heads, queries, keys, head_dim, value_dim, causal, dtype, bytes, library };
        Kernel::Attention(it.with_operand_bytes())
    });
    let kinds = [
        StreamKind::Pointwise,
        StreamKind::Softmax,
        StreamKind::LayerNorm,
        StreamKind::BlockNorm,
        StreamKind::RmsNorm,
        StreamKind::Reduction,
        StreamKind::Copy,
        StreamKind::Resample,
    ];
    let stream = (prop::sample::select(kinds.to_vec()), size(), size(), dtype(), size(), size()).prop_map(
        |(kind, rows, cols, dtype, flops, bytes)| Kernel::Stream(Stream { kind, rows, cols, dtype, flops, bytes }),
    );
    let layouts = prop::sample::select(vec![Layout::ChannelsFirst, Layout::ChannelsLast]);
    let convolution = (size(), size(), size(), size(), dtype(), layouts).prop_map(|(batch, m, n, k, dtype, layout)| {
        Kernel::Convolution(Convolution { product: Gemm::plain(batch, m, n, k, dtype), layout })
    });
    prop_oneof![gemm, convolution, attention, stream]
}

/// A built-in GPU with its rates, units and power changed.
fn device() -> impl Strategy<Value = Device> {
    let factors = (0.1..10.0_f64, 0.1..10.0_f64, 0.05..4.0_f64, 0.1..4.0_f64);
    let family =
        prop::sample::select(vec!["hopper", "ampere", "volta", "ada", "ada-geforce", "blackwell", "cdna3", "another"]);
    (prop::sample::select(gpus()), factors, family).prop_map(|(mut device, (peak, bandwidth, units, power), family)| {
        for rate in [&mut device.peak.f32, &mut device.peak.f16, &mut device.peak.bf16].into_iter().flatten() {
            rate.value *= peak;
        }
        device.memory.bandwidth_gb_s.value *= bandwidth;
        device.units.count.value = (device.units.count.value * units).ceil();
        device.power.board_w.value = device.power.idle_w.value + device.power.board_w.value * power;
        family.clone_into(&mut device.family);
        device
    })
}

proptest! {
    #[test]
    fn nothing_beats_the_roofline_and_every_figure_is_finite(device in device(), kernel in kernel()) {
        let prediction = predict(&device, &kernel);
        prop_assert!(prediction.us.is_finite() && prediction.us >= 0.0, "{prediction:?}");
        prop_assert!(prediction.us >= roofline_us(&device, &kernel), "{prediction:?}");
        prop_assert!(prediction.terms.iter().all(|term| term.us.is_finite() && term.us >= 0.0), "{prediction:?}");
        prop_assert!(prediction.spread > 0.0 && prediction.spread < 1.0, "{prediction:?}");
    }

    #[test]
    fn no_term_is_longer_than_the_whole_and_all_together_are_no_shorter(device in device(), kernel in kernel()) {
        let prediction = predict(&device, &kernel);
        let sum: f64 = prediction.terms.iter().map(|term| term.us).sum();
        let roof = roofline_us(&device, &kernel);
        prop_assert!(sum.max(roof) >= prediction.us * 0.999_999, "{prediction:?}");
        prop_assert!(prediction.terms.iter().all(|term| term.us <= prediction.us * 1.000_001), "{prediction:?}");
    }

    #[test]
    fn more_bytes_never_take_less_time(device in device(), kernel in kernel(), more in 0..1_000_000_000_u64) {
        let mut heavier = kernel.clone();
        match &mut heavier {
            Kernel::Gemm(it) | Kernel::Convolution(Convolution { product: it, .. }) => it.bytes = it.bytes.saturating_add(more),
            Kernel::Attention(it) => it.bytes = it.bytes.saturating_add(more),
            Kernel::Stream(it) => it.bytes = it.bytes.saturating_add(more),
        }
        prop_assert!(predict(&device, &heavier).us >= predict(&device, &kernel).us * 0.999_999);
    }

    #[test]
    fn more_bandwidth_never_takes_more_time(device in device(), kernel in kernel(), factor in 1.0..10.0_f64) {
        let mut faster = device.clone();
        faster.memory.bandwidth_gb_s.value *= factor;
        prop_assert!(predict(&faster, &kernel).us <= predict(&device, &kernel).us * 1.000_001);
    }

    #[test]
    fn longer_sums_never_take_less_time(device in device(), m in 1..5000_u64, n in 1..5000_u64, k in 1..625_u64, more in 1..8_u64) {
        // Rows of as many bytes as the widest access moves.
        let (k, more) = (8 * k, 8 * more);
        // A sum that becomes long enough to be split may gain from it.
        let split = |k: u64| [2, 4, 8, 16, 32].into_iter().filter(|parts| k / parts >= 256).count();
        prop_assume!(split(k) == split(k + more));
        let us = |k| predict(&device, &Kernel::Gemm(Gemm::plain(1, m, n, k, DType::F16))).us;
        prop_assert!(us(k + more) >= us(k) * 0.999_999);
    }

    #[test]
    fn a_merge_saves_launches_unless_waves_explain_a_loss(m in 1..8192_u64, n in 64..8192_u64, k in 64..8192_u64) {
        let device = find("h100-sxm").unwrap();
        let part = Gemm::plain(1, m, n, k, DType::Bf16);
        let merged = Gemm::plain(1, m, 3 * n, k, DType::Bf16);
        let gain = merge_gain(&device, &[part.clone(), part.clone(), part.clone()], &merged);
        let (apart, together) = (grid(&device, &part).unwrap(), grid(&device, &merged).unwrap());
        // What the wide grid costs in blocks of the narrow one's tile.
        let area = |grid: fusewright_cost::time::gpu::Grid| f64::from(grid.tile.rows * grid.tile.cols) * grid.waves;
        let split = |grid: fusewright_cost::time::gpu::Grid| f64::from(grid.split);
        let waves_explain = area(together) / split(together) > 3.0 * area(apart) / split(apart) * 0.99;
        prop_assert!(gain.merged_us <= gain.apart_us || waves_explain, "{gain:?} {apart:?} {together:?}");
    }
}

#[test]
fn rows_that_no_wide_access_fits_take_longer() {
    let us = |n, k| predict(&find("h100-sxm").unwrap(), &Kernel::Gemm(Gemm::plain(1, 4096, n, k, DType::F16))).us;
    // A vocabulary of 50257 against one padded to 50304.
    assert!(us(50257, 768) > 1.4 * us(50304, 768));
    assert!(us(768, 4092) > 1.2 * us(768, 4096));
    // One column is no row, and single precision moves no more than it needs.
    assert!((us(1, 4096) / us(8, 4096) - 1.0).abs() < 0.2);
}

#[test]
fn every_gpu_runs_every_kind_of_kernel_in_sensible_time() {
    for device in gpus() {
        let gemm = predict(&device, &Kernel::Gemm(Gemm::plain(1, 4096, 4096, 4096, DType::F16)));
        let share = roofline_us(&device, &Kernel::Gemm(Gemm::plain(1, 4096, 4096, 4096, DType::F16))) / gemm.us;
        assert!((0.35..1.0).contains(&share), "{}: a large product attains {share:.2} of the roofline", device.id);
        let pass = Stream {
            kind: StreamKind::Pointwise,
            rows: 16384,
            cols: 4096,
            dtype: DType::F16,
            flops: 0,
            bytes: 4 * 16384 * 4096,
        };
        let share = roofline_us(&device, &Kernel::Stream(pass.clone())) / predict(&device, &Kernel::Stream(pass)).us;
        assert!((0.5..1.0).contains(&share), "{}: a large pass attains {share:.2} of the roofline", device.id);
    }
}

#[test]
fn groups_of_one_feature_are_priced_by_memory_and_not_by_tiles() {
    // Depthwise 3 × 3 over 384 channels of 8 images of 28 × 28: 9 terms, each input read once.
    let (groups, rows) = (384, 8 * 28 * 28);
    let bytes = 2 * (groups * rows * 2 + groups * 9);
    let gemm = Gemm { bytes, ..Gemm::plain(groups, rows, 1, 9, DType::F16) };
    let device = find("h100-sxm").unwrap();
    assert_eq!(grid(&device, &gemm), None);
    let prediction = predict(&device, &Kernel::Gemm(gemm.clone()));
    let least = roofline_us(&device, &Kernel::Gemm(gemm));
    assert!(prediction.us < 5.0 * least + 5.0, "{} µs against {least} µs", prediction.us);
}

#[test]
fn windows_and_decoding_take_the_time_of_their_bytes() {
    let device = find("h100-sxm").unwrap();
    let attention = |batch, heads, kv_heads, queries, keys, head_dim| {
        let it = Attention {
            batch,
            heads,
            kv_heads,
            queries,
            keys,
            head_dim,
            value_dim: head_dim,
            causal: queries == 1,
            dtype: DType::F16,
            bytes: 0,
            library: AttentionLibrary::PyTorch,
        };
        Kernel::Attention(it.with_operand_bytes())
    };
    // 64 windows of each of 32 images, 49 positions, 3 heads.
    let windows = attention(32 * 64, 3, 3, 49, 49, 32);
    let one_token = attention(16, 32, 8, 1, 8192, 128);
    for (name, kernel, most) in [("windows", windows, 12.0), ("decoding", one_token, 2.2)] {
        let ratio = (predict(&device, &kernel).us - device.launch.floor_us.value) / roofline_us(&device, &kernel);
        assert!((1.0..most).contains(&ratio), "{name}: {ratio:.2} times the roofline");
    }
}

#[test]
fn occupancy_says_what_limits_it() {
    let device = find("h100-sxm").unwrap();
    let found = grid(&device, &Gemm::plain(1, 4096, 4096, 4096, DType::Bf16)).unwrap();
    assert!(found.occupancy.blocks >= 1);
    assert!(found.occupancy.to_string().contains("limited by"), "{}", found.occupancy);
}

/// The positions of 256 images of 28 by 28 by 256 channels in groups of `width`, with windows of 3 by 3.
fn grouped(width: u64, layout: Layout) -> f64 {
    let product = Gemm::plain(256 / width, 256 * 28 * 28, width, 9 * width, DType::F16);
    let images = 2 * 2 * 256 * 28 * 28 * 256;
    let kernel = Kernel::Convolution(Convolution { product: Gemm { bytes: images, ..product }, layout });
    find("h100-sxm").map_or(f64::NAN, |device| predict(&device, &kernel).us)
}

#[test]
fn groups_have_fast_kernels_for_some_widths_where_channels_lie_side_by_side() {
    for width in [8, 16, 32, 64] {
        assert!(grouped(width, Layout::ChannelsLast) < grouped(width, Layout::ChannelsFirst), "{width}");
    }
    // 256 channels are no multiple of 24, but the work for one is close enough.
    assert!(grouped(24, Layout::ChannelsLast) > 1.5 * grouped(24, Layout::ChannelsFirst));
    assert!(grouped(24, Layout::ChannelsLast) > 2.0 * grouped(16, Layout::ChannelsLast));
    let layout = |width| Layout::fastest(&Gemm::plain(8, 1024, width, 9 * width, DType::F16));
    assert_eq!([layout(16), layout(24)], [Layout::ChannelsLast, Layout::ChannelsFirst]);
}

#[test]
fn channels_that_no_wide_access_fits_are_convolved_more_slowly() {
    let us = |channels: u64| {
        let product = Gemm::plain(1, 256 * 28 * 28, channels, 9 * channels, DType::F16);
        let kernel = Kernel::Convolution(Convolution { product, layout: Layout::ChannelsLast });
        predict(&find("h100-sxm").unwrap(), &kernel).us
    };
    // Fewer channels, in as many tiles.
    assert!(us(252) > 1.1 * us(256), "{} against {}", us(252), us(256));
}
