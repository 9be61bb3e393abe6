//! The figures that the plans must give, exactly.

use serde_json::Value;

use crate::run::json;

fn plan(model: &str, profile: &str) -> Value {
    json(&["plan", model, "--profile", profile, "--format", "json"])
}

fn strategy<'a>(report: &'a Value, name: &str) -> &'a Value {
    let strategies = report["strategies"].as_array().expect("a list");
    strategies.iter().find(|strategy| strategy["name"] == name).expect("all strategies are there")
}

fn mean(strategy: &Value) -> String {
    format!("{:.2}", strategy["mean_group_size"].as_f64().expect("a number"))
}

/// Counts of the published figures: nodes, partitioned, groups and mean sizes of standard and attention, merges.
#[test]
fn reference_profile_gives_the_published_figures() {
    let cases = [
        ("vit_b_16", 472, 312, (264, "1.18"), (204, "1.53"), 12),
        ("vit_l_16", 916, 600, (504, "1.19"), (384, "1.56"), 24),
    ];
    for (model, nodes, partitioned, standard_figures, attention_figures, merges) in cases {
        let report = plan(model, "reference");
        assert_eq!(report["model"]["nodes"], nodes, "{model}");
        for (name, (groups, mean_size)) in [("standard", standard_figures), ("attention", attention_figures)] {
            let found = strategy(&report, name);
            assert_eq!(found["nodes"], partitioned, "{model} {name}");
            assert_eq!(found["groups"], groups, "{model} {name}");
            assert_eq!(mean(found), mean_size, "{model} {name}");
        }
        assert_eq!(strategy(&report, "attention")["parallel_merges"], merges, "{model}");
        assert_eq!(strategy(&report, "attention")["attention_chains"], merges, "{model}");
        assert_eq!(strategy(&report, "standard")["parallel_merges"], 0, "{model}");
    }
}

#[test]
fn default_profile_counts_vit_b_16_exactly() {
    let report = plan("vit_b_16", "default");
    assert_eq!(report["flops"]["contraction"], 35_127_656_448_u64);
    assert_eq!(report["macs"], 17_563_828_224_u64);
    assert_eq!(report["model"]["parameters"], 86_567_656);
    assert_eq!(report["model"]["parameter_bytes"], 4 * 86_567_656);
    assert_eq!(report["attention"]["found"], 12);
    assert_eq!(report["attention"]["self"], 12);
    let attention = strategy(&report, "attention");
    assert_eq!(attention["parallel_merges"], 12);
    assert_eq!(attention["attention_chains"], 12);
    assert_eq!(attention["shared_input_bytes_saved"], 12 * 2 * 605_184);
    let merged = attention["patterns"].as_array().expect("a list").iter().find(|p| p["name"] == "Parallel_QKV_Linear");
    assert_eq!(merged.map(|pattern| (&pattern["count"], &pattern["nodes"])), Some((&12.into(), &36.into())));
}

#[test]
fn every_transformer_saves_more_with_each_strategy() {
    for model in ["vit_b_16", "vit_l_16"] {
        for profile in ["default", "reference"] {
            let report = plan(model, profile);
            let figures = ["eager", "standard", "attention"].map(|name| {
                let strategy = strategy(&report, name);
                let bytes = |part: &str| strategy["bytes"][part].as_u64().expect("a number");
                (strategy["kernels"].as_u64().expect("a number"), bytes("read") + bytes("written"))
            });
            for pair in figures.windows(2) {
                assert!(pair[0].0 > pair[1].0 && pair[0].1 > pair[1].1, "{model} {profile}: {figures:?}");
            }
            assert!(figures[2].1 > report["floor"]["bytes"].as_u64().expect("a number"));
        }
    }
}

#[test]
fn half_the_bytes_per_element_are_half_the_bytes() {
    let bytes = |dtype: &str| {
        let report = json(&["plan", "vit_b_16", "--dtype", dtype, "--strategy", "attention", "--format", "json"]);
        assert_eq!(report["device"]["dtype"], dtype);
        report["strategies"][0]["bytes"]["read"].as_u64().expect("a number")
    };
    assert_eq!(bytes("f32"), 2 * bytes("bf16"));
    assert_eq!(bytes("f64"), 2 * bytes("f32"));
}

#[test]
fn convolutional_networks_fuse_by_the_standard_rules() {
    let cases = [
        ("resnet50", 25_557_032, ["conv_batch_norm_relu", "conv_batch_norm", "add_relu"].as_slice()),
        ("efficientnet_b0", 5_288_548, ["conv_batch_norm_silu", "conv_batch_norm"].as_slice()),
    ];
    for (model, parameters, patterns) in cases {
        let report = plan(model, "default");
        assert_eq!(report["model"]["parameters"], parameters, "{model}");
        assert_eq!(report["attention"]["found"], 0, "{model}");
        let standard = strategy(&report, "standard");
        assert!(standard["kernels"].as_u64() < strategy(&report, "eager")["kernels"].as_u64(), "{model}");
        for pattern in patterns {
            let names = standard["patterns"].as_array().expect("a list");
            assert!(names.iter().any(|found| found["name"] == *pattern), "{model}: {pattern}");
        }
    }
}
