//! The JSON Schema of the report, made from its types and kept beside them.

/// JSON Schema of [`PlanReport`](crate::PlanReport), draft 2020-12.
pub const PLAN_SCHEMA: &str = include_str!("../plan.schema.json");

#[cfg(test)]
mod tests {
    use schemars::generate::SchemaSettings;

    /// The schema is what the types say; `BLESS=1` writes it anew.
    #[test]
    fn schema_is_current() {
        let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let schema = generator.into_root_schema_for::<crate::PlanReport>();
        let mut text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
        text.push('\n');
        if std::env::var_os("BLESS").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/plan.schema.json");
            std::fs::write(path, &text).expect("the schema can be written");
        } else {
            assert!(text == super::PLAN_SCHEMA, "plan.schema.json is stale: run the tests with BLESS=1");
        }
    }
}
