//! Names that parameters have in checkpoints where the class has renamed modules since.

/// Parts of names as a class has them, and as its checkpoints have them; a row is one family.
const FAMILIES: [&[(&str, &str)]; 6] = [
    // ViT and DeiT; BEiT, whose bias is a part of the attention.
    &[
        ("layers.", "encoder.layer."),
        (".attention.o_proj.", ".attention.output.dense."),
        (".attention.q_proj.", ".attention.attention.query."),
        (".attention.k_proj.", ".attention.attention.key."),
        (".attention.v_proj.", ".attention.attention.value."),
        (".mlp.fc1.", ".intermediate.dense."),
        (".mlp.fc2.", ".output.dense."),
        (".relative_position_bias.", ".attention.attention.relative_position_bias."),
        ("shared_position_bias.", "encoder.relative_position_bias."),
    ],
    // DINOv2.
    &[
        (".attention.o_proj.", ".attention.output.dense."),
        (".attention.q_proj.", ".attention.attention.query."),
        (".attention.k_proj.", ".attention.attention.key."),
        (".attention.v_proj.", ".attention.attention.value."),
    ],
    // Swin.
    &[
        (".attention.o_proj.", ".attention.output.dense."),
        (".attention.q_proj.", ".attention.self.query."),
        (".attention.k_proj.", ".attention.self.key."),
        (".attention.v_proj.", ".attention.self.value."),
        (".attention.relative_position_bias.", ".attention.self."),
        (".mlp.fc1.", ".intermediate.dense."),
        (".mlp.fc2.", ".output.dense."),
    ],
    // SegFormer, whose stages are moved as well.
    &[
        (".attention.o_proj.", ".attention.output.dense."),
        (".attention.q_proj.", ".attention.self.query."),
        (".attention.k_proj.", ".attention.self.key."),
        (".attention.v_proj.", ".attention.self.value."),
        (".sequence_reduction.sequence_reduction.", ".self.sr."),
        (".sequence_reduction.layer_norm.", ".self.layer_norm."),
        (".layernorm_before.", ".layer_norm_1."),
        (".layernorm_after.", ".layer_norm_2."),
        (".mlp.fc1.", ".mlp.dense1."),
        (".mlp.fc2.", ".mlp.dense2."),
        ("linear_projections.", "linear_c."),
    ],
    // GPT-NeoX.
    &[("lm_head.", "embed_out.")],
    // Mixtral.
    &[(".mlp.gate.", ".block_sparse_moe.gate.")],
];

/// Names that `name` may have in a checkpoint.
pub(crate) fn former(name: &str) -> impl Iterator<Item = String> {
    FAMILIES.iter().filter_map(move |family| {
        let renamed = family.iter().fold(name.to_owned(), |name, (now, before)| name.replace(now, before));
        let renamed = in_former_stages(&renamed).unwrap_or(renamed);
        (renamed != name).then_some(renamed)
    })
}

/// `stages.I.blocks.J.…` as the encoder of `SegFormer` had it: `block.I.J.…`, and so for what a stage has once.
fn in_former_stages(name: &str) -> Option<String> {
    let (before, stage) = name.split_once("stages.")?;
    let (index, part) = stage.split_once('.')?;
    if let Some(block) = part.strip_prefix("blocks.") {
        return Some(format!("{before}encoder.block.{index}.{block}"));
    }
    let (module, rest) = part.split_once('.')?;
    Some(format!("{before}encoder.{module}.{index}.{rest}"))
}

/// Names of the tensors of expert `#` that stand one on the other in the stacked tensor `name`.
pub(crate) fn expert_parts(name: &str) -> impl Iterator<Item = Vec<String>> {
    let found = name.rsplit_once(".experts.");
    let rows: [&[&str]; 2] = match found.map(|(_, part)| part) {
        Some("gate_up_proj") => [&["#.gate_proj", "#.up_proj"], &["#.w1", "#.w3"]],
        Some("down_proj") => [&["#.down_proj"], &["#.w2"]],
        _ => [&[], &[]],
    };
    let module = found.map_or("", |(module, _)| module);
    rows.into_iter().filter(|row| !row.is_empty()).map(move |row| {
        let module = if row.iter().any(|part| part.starts_with("#.w")) {
            module.strip_suffix("mlp").map_or_else(|| module.to_owned(), |rest| format!("{rest}block_sparse_moe"))
        } else {
            module.to_owned()
        };
        row.iter().map(|part| format!("{module}.experts.{part}.weight")).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_former_modules_are_tried() {
        let names = |name: &str| former(name).collect::<Vec<_>>();
        let vit = names("vit.layers.0.attention.q_proj.weight");
        assert!(vit.contains(&"vit.encoder.layer.0.attention.attention.query.weight".to_owned()), "{vit:?}");
        let stage = names("segformer.stages.1.blocks.0.mlp.fc1.bias");
        assert!(stage.contains(&"segformer.encoder.block.1.0.mlp.dense1.bias".to_owned()), "{stage:?}");
        let patch = names("stages.2.patch_embeddings.proj.weight");
        assert!(patch.contains(&"encoder.patch_embeddings.2.proj.weight".to_owned()), "{patch:?}");
        assert_eq!(names("model.norm.weight"), Vec::<String>::new());
    }

    #[test]
    fn experts_are_found_one_by_one() {
        let parts: Vec<_> = expert_parts("model.layers.0.mlp.experts.gate_up_proj").collect();
        assert_eq!(
            parts[0],
            ["model.layers.0.mlp.experts.#.gate_proj.weight", "model.layers.0.mlp.experts.#.up_proj.weight"]
        );
        assert_eq!(parts[1][1], "model.layers.0.block_sparse_moe.experts.#.w3.weight");
        assert_eq!(expert_parts("model.layers.0.mlp.up_proj.weight").count(), 0);
    }
}
