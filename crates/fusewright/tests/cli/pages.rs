//! Whole pages, compared with the files in `pages/`; `BLESS=1` writes them anew.

use std::fs;
use std::path::Path;

use crate::run::stdout;

const PAGES: &[(&str, &[&str])] = &[
    ("vit_b_16.txt", &["plan", "vit_b_16"]),
    ("vit_b_16.reference.txt", &["plan", "vit_b_16", "--profile", "reference"]),
    ("vit_b_16.md", &["plan", "vit_b_16", "--format", "markdown"]),
    ("vit_b_16.csv", &["plan", "vit_b_16", "--format", "csv"]),
    ("vit_b_16.dot", &["plan", "vit_b_16", "--format", "dot"]),
    ("resnet50.txt", &["plan", "resnet50"]),
    ("efficientnet_b0.groups.txt", &["plan", "efficientnet_b0", "--groups", "-n", "2"]),
    ("vit_b_16.explain.txt", &["explain", "vit_b_16", "--strategy", "attention", "-n", "4"]),
    ("vit_b_16.compare.txt", &["compare", "vit_b_16", "--strategy", "standard", "--strategy", "attention"]),
    ("several-readers.txt", &["explain", "--rule", "several-readers"]),
    ("models.txt", &["models", "list"]),
    ("devices.txt", &["hw", "list"]),
    ("h100-sxm.txt", &["hw", "show", "h100-sxm"]),
    ("tpu-v5e.txt", &["hw", "show", "tpu-v5e"]),
    ("patterns.txt", &["patterns", "list"]),
    ("gelu-erf.txt", &["patterns", "show", "gelu-erf"]),
    ("llama-3-8b.patterns.txt", &["patterns", "find", "llama-3-8b"]),
];

#[test]
fn pages_are_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/pages");
    for &(name, arguments) in PAGES {
        let (page, path) = (stdout(arguments), folder.join(name));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &page).expect("pages can be written");
        } else {
            let expected = fs::read_to_string(&path).unwrap_or_default();
            assert!(page == expected, "{name} differs; BLESS=1 rewrites it. Now:\n{page}");
        }
    }
}

#[test]
fn pages_fit_a_terminal_of_80_columns() {
    for model in ["vit_b_16", "vit_l_16", "resnet50", "efficientnet_b0"] {
        for profile in ["default", "reference"] {
            for flags in [&[][..], &["--groups", "-n", "0"], &["--strategy", "eager"], &["--strategy", "attention"]] {
                let page = stdout(&[&["plan", model, "--profile", profile], flags].concat());
                for line in page.lines() {
                    assert!(line.chars().count() <= 80, "{model} {profile} {flags:?}: {line}");
                }
            }
        }
    }
    for help in [
        &["--help"][..],
        &["plan", "--help"],
        &["dump", "-h"],
        &["check", "--help"],
        &["compare", "--help"],
        &["explain", "--help"],
        &["hw", "-h"],
        &["hw", "show", "--help"],
        &["models", "list"],
        &["patterns", "list"],
        &["patterns", "find", "--help"],
    ] {
        assert!(stdout(help).lines().all(|line| line.chars().count() <= 80), "{help:?}");
    }
}

#[test]
fn the_first_page_fits_a_screen() {
    for profile in ["default", "reference"] {
        let page = stdout(&["plan", "vit_b_16", "--profile", profile]);
        assert!(page.lines().count() <= 24, "{page}");
        assert!(page.starts_with("vit_b_16: attention fusion launches "), "{page}");
    }
}

#[test]
fn wide_pages_cut_no_names() {
    let page = stdout(&["plan", "vit_b_16", "--groups", "--wide"]);
    assert!(!page.contains('…'));
    assert!(page.contains("encoder.layers.encoder_layer_11.self_attention"));
}

#[test]
fn what_is_left_out_is_summed_up() {
    let page = stdout(&["plan", "vit_b_16", "-n", "1"]);
    assert!(page.contains("and 3 smaller: 61 kernels, 146 MB (-n 0 shows all)"), "{page}");
    assert!(!stdout(&["plan", "vit_b_16", "-n", "0"]).contains("smaller"));
}
