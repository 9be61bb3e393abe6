//! Figures follow from the rules: take one out and they change.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright::{Plan, Profile, Session};
use fusewright_pattern::rules::RuleTable;
use fusewright_plan::{Analysis, AttentionFusionPartitioner, FusionBasedPartitioner, Partitioner};

fn attention_without(producer: &str, consumer: &str, profile: Profile) -> Plan {
    let model = Session::new().load("vit_b_16").unwrap();
    let analysis = Analysis::of(model.decomposed());
    let rules = RuleTable::attention().without(producer, consumer);
    AttentionFusionPartitioner { rules, device: None }.partition(&analysis, profile).unwrap()
}

#[test]
fn each_rule_is_worth_its_twelve_fusions() {
    let groups = |producer, consumer| attention_without(producer, consumer, Profile::Reference).counted;
    assert_eq!(groups("nothing", "at all"), 204);
    assert_eq!(groups("matmul", "mul"), 204 + 12);
    assert_eq!(groups("mul", "softmax"), 204 + 12);
    assert_eq!(groups("softmax", "matmul"), 204 + 12);
    assert_eq!(groups("LayerNorm", "Linear"), 204 + 12);
    assert_eq!(groups("Linear", "GELU"), 204 + 12);
    assert_eq!(groups("GELU", "Dropout"), 204 + 12);
    assert_eq!(groups("Linear", "Dropout"), 204 + 12);
    assert_eq!(groups("Conv2d", "ReLU"), 204);
}

#[test]
fn without_its_rule_no_attention_is_fused() {
    for profile in [Profile::Reference, Profile::Default] {
        assert_eq!(attention_without("nothing", "at all", profile).attention_chains, 12);
        assert_eq!(attention_without("softmax", "matmul", profile).attention_chains, 0);
    }
}

#[test]
fn every_attention_is_one_group_and_every_merge_has_three_members() {
    let plan = attention_without("nothing", "at all", Profile::Default);
    let model = Session::new().load("vit_b_16").unwrap();
    let analysis = Analysis::of(model.decomposed());
    assert_eq!(analysis.attentions.sites.len(), 12);
    for site in &analysis.attentions.sites {
        let steps: Vec<&str> = site.chain.iter().map(|&id| analysis.graph.node(id).op.mnemonic()).collect();
        assert_eq!(steps, ["matmul", "mul", "softmax", "matmul"]);
        assert!(site.chain.iter().all(|&id| plan.groups.of(id) == plan.groups.of(site.chain[0])));
    }
    assert!(plan.merges.iter().all(|merge| merge.members.len() == 3));
}

#[test]
fn the_blocks_of_convolutional_networks_fuse_as_the_rules_say() {
    let patterns = |name: &str, profile| {
        let model = Session::new().load(name).unwrap();
        let analysis = Analysis::of(model.decomposed());
        let plan = FusionBasedPartitioner::default().partition(&analysis, profile).unwrap();
        let rows = plan.histogram().into_iter().map(|(pattern, count)| (pattern.to_owned(), count));
        rows.collect::<std::collections::BTreeMap<String, usize>>()
    };
    let resnet = patterns("resnet50", Profile::Reference);
    assert_eq!((resnet["Conv2d_BatchNorm2d_ReLU"], resnet["Conv2d_BatchNorm2d"], resnet["add_ReLU"]), (33, 20, 16));
    let efficientnet = patterns("efficientnet_b0", Profile::Reference);
    let squeeze = "AdaptiveAvgPool2d_Conv2d_SiLU_Conv2d_Sigmoid_mul";
    // The expansion runs into the depthwise convolution, because an activation may lead into a convolution.
    let expansion = "Conv2d_BatchNorm2d_SiLU_Conv2d_BatchNorm2d_SiLU";
    assert_eq!((efficientnet[squeeze], efficientnet[expansion], efficientnet["Conv2d_BatchNorm2d_SiLU"]), (16, 16, 1));
}
