//! The JSON Schemas of what is published, made from the types and kept beside them; draft 2020-12.

/// JSON Schema of [`PlanReport`](crate::PlanReport).
pub const PLAN_SCHEMA: &str = include_str!("../plan.schema.json");

/// JSON Schema of [`CheckReport`](crate::CheckReport).
pub const CHECK_SCHEMA: &str = include_str!("../check.schema.json");

/// JSON Schema of [`CompareReport`](crate::CompareReport).
pub const COMPARE_SCHEMA: &str = include_str!("../compare.schema.json");

/// JSON Schema of [`ExplainReport`](crate::ExplainReport).
pub const EXPLAIN_SCHEMA: &str = include_str!("../explain.schema.json");

/// JSON Schema of [`OptimizeReport`](crate::OptimizeReport).
pub const OPTIMIZE_SCHEMA: &str = include_str!("../optimize.schema.json");

/// JSON Schema of [`Lock`](crate::Lock).
pub const LOCK_SCHEMA: &str = include_str!("../lock.schema.json");

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use schemars::generate::SchemaSettings;

    /// A schema is what the types say; `BLESS=1` writes it anew.
    fn check<T: JsonSchema>(file: &str, kept: &str) {
        let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let schema = generator.into_root_schema_for::<T>();
        let mut text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
        text.push('\n');
        if std::env::var_os("BLESS").is_some() {
            let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
            std::fs::write(path, &text).expect("the schema can be written");
        } else {
            assert!(text == kept, "{file} is stale: run the tests with BLESS=1");
        }
    }

    #[test]
    fn schema_is_current() {
        check::<crate::PlanReport>("plan.schema.json", super::PLAN_SCHEMA);
        check::<crate::CheckReport>("check.schema.json", super::CHECK_SCHEMA);
        check::<crate::CompareReport>("compare.schema.json", super::COMPARE_SCHEMA);
        check::<crate::ExplainReport>("explain.schema.json", super::EXPLAIN_SCHEMA);
        check::<crate::OptimizeReport>("optimize.schema.json", super::OPTIMIZE_SCHEMA);
        check::<crate::Lock>("lock.schema.json", super::LOCK_SCHEMA);
    }
}
