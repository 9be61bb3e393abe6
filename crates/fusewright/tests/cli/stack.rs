//! A small encoder as FX JSON, its attention spelled out, whole or with a fusion broken on purpose.

use serde_json::{Value, json};

const WIDTH: u64 = 64;
const LENGTH: u64 = 16;
const HEADS: u64 = 4;

/// What is wrong with one of the layers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// A second node reads the weights of the attention.
    SecondReader,
    /// The activation is one that no rule knows.
    OtherActivation,
}

struct Builder {
    nodes: Vec<Value>,
    modules: serde_json::Map<String, Value>,
    scope: String,
}

fn tensor(shape: &[u64]) -> Value {
    json!({"shape": shape, "dtype": "float32"})
}

impl Builder {
    fn add(&mut self, op: &str, target: &str, name: &str, args: &Value, shape: &[u64]) -> Value {
        let name = format!("{}_{name}", self.scope.replace('.', "_"));
        self.nodes.push(json!({
            "name": name, "op": op, "target": target, "args": args, "out": tensor(shape), "scope": self.scope,
        }));
        json!({"ref": name})
    }

    fn function(&mut self, target: &str, name: &str, args: &Value, shape: &[u64]) -> Value {
        self.add("call_function", target, name, args, shape)
    }

    fn linear(&mut self, name: &str, input: &Value, widths: [u64; 2]) -> Value {
        let path = format!("{}.{name}", self.scope);
        let weight = json!({"name": format!("{path}.weight"), "shape": [widths[1], widths[0]], "dtype": "float32", "kind": "parameter"});
        let attributes = json!({"in_features": widths[0], "out_features": widths[1], "bias": false});
        let class = "torch.nn.modules.linear.Linear";
        self.modules.insert(path.clone(), json!({"class": class, "attrs": attributes, "params": {"weight": weight}}));
        self.add("call_module", &path, name, &json!([input]), &[1, LENGTH, widths[1]])
    }

    fn layer(&mut self, input: &Value, broken: Option<Break>) -> Value {
        let rows = [1, LENGTH, WIDTH];
        let heads = |builder: &mut Self, name: &str| {
            let all = builder.linear(name, input, [WIDTH, WIDTH]);
            let split = [1, LENGTH, HEADS, WIDTH / HEADS];
            let split = builder.add(
                "call_method",
                "reshape",
                &format!("{name}_split"),
                &json!([all, 1, LENGTH, HEADS, WIDTH / HEADS]),
                &split,
            );
            let turned = [1, HEADS, LENGTH, WIDTH / HEADS];
            builder.add("call_method", "transpose", &format!("{name}_heads"), &json!([split, 1, 2]), &turned)
        };
        let (query, key, value) = (heads(self, "query"), heads(self, "key"), heads(self, "value"));
        let scores = [1, HEADS, LENGTH, LENGTH];
        let key = self.add(
            "call_method",
            "transpose",
            "key_turned",
            &json!([key, -2, -1]),
            &[1, HEADS, WIDTH / HEADS, LENGTH],
        );
        let product = self.function("torch.matmul", "scores", &json!([query, key]), &scores);
        let scaled = self.function("operator.mul", "scaled", &json!([product, 0.25]), &scores);
        let weights = self.add("call_method", "softmax", "weights", &json!([scaled, -1]), &scores);
        let mut context =
            self.function("torch.matmul", "context", &json!([weights, value]), &[1, HEADS, LENGTH, WIDTH / HEADS]);
        if broken == Some(Break::SecondReader) {
            let seen = self.function("torch.tanh", "seen", &json!([weights]), &scores);
            context =
                self.function("torch.matmul", "mixed", &json!([seen, context]), &[1, HEADS, LENGTH, WIDTH / HEADS]);
        }
        let joined =
            self.add("call_method", "transpose", "joined", &json!([context, 1, 2]), &[1, LENGTH, HEADS, WIDTH / HEADS]);
        let joined = self.add("call_method", "reshape", "rows", &json!([joined, 1, LENGTH, WIDTH]), &rows);
        let result = self.linear("out", &joined, [WIDTH, WIDTH]);
        let sum = self.function("operator.add", "sum", &json!([result, input]), &rows);
        let wide = self.linear("up", &sum, [WIDTH, 4 * WIDTH]);
        let activation = if broken == Some(Break::OtherActivation) { "torch.tanh" } else { "torch.nn.functional.gelu" };
        let active = self.function(activation, "active", &json!([wide]), &[1, LENGTH, 4 * WIDTH]);
        let narrow = self.linear("down", &active, [4 * WIDTH, WIDTH]);
        self.function("operator.add", "end", &json!([narrow, sum]), &rows)
    }
}

/// An encoder of so many layers, one of them broken.
pub(crate) fn encoder(layers: usize, broken: Option<(usize, Break)>) -> Vec<u8> {
    let mut builder = Builder { nodes: Vec::new(), modules: serde_json::Map::new(), scope: String::new() };
    builder.nodes.push(json!({"name": "x", "op": "placeholder", "target": "x", "out": tensor(&[1, LENGTH, WIDTH])}));
    let mut last = json!({"ref": "x"});
    for number in 0..layers {
        builder.scope = format!("encoder.layers.{number}");
        last = builder.layer(&last, broken.filter(|(layer, _)| *layer == number).map(|(_, how)| how));
    }
    builder.nodes.push(json!({"name": "output", "op": "output", "target": "output", "args": [last]}));
    let document = json!({
        "format": "fx-graph", "version": 1, "name": "encoder", "nodes": builder.nodes, "modules": builder.modules,
    });
    document.to_string().into_bytes()
}
