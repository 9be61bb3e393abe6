//! The page's script, style, planner and readers: built from `web/` and `crates/fusewright-wasm` into `web/dist`, which is
//! committed, and tested in a browser. None of it is needed to build the tool; what takes node, the WebAssembly target or
//! a browser is left out where they are missing, and said so.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lzma_rust2::{LzmaOptions, LzmaWriter};

use crate::{cargo, report, run, sources, target};

/// What WebAssembly is compiled for.
const TARGET: &str = "wasm32-unknown-unknown";

/// The programs of the page: features of `fusewright-wasm`, each built alone.
const PROGRAMS: [&str; 4] = ["planner", "onnx", "torch", "config"];
/// The one that unpacks the others.
const UNPACKER: &str = "unpacker";

/// The browser that pages are tested in, and its package on Debian.
const BROWSERS: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const PACKAGE: &str = "chromium";

/// Builds everything anew.
pub(crate) fn build(root: &Path) -> Result<(), String> {
    packages(root)?;
    types(root)?;
    run(node(root).args(["build.mjs", "dist"]))?;
    programs(root)
}

/// The committed script and style are those of the sources, the pages work, and the planner answers as the tool does.
pub(crate) fn test(root: &Path) -> Result<(), String> {
    if !starts("node") || !starts("npm") {
        report("LEFT OUT: the page's script and its tests in a browser; they need node and npm");
        return Ok(());
    }
    packages(root)?;
    types(root)?;
    let fresh = target(root).join("web");
    run(node(root).arg("build.mjs").arg(&fresh))?;
    for name in ["page.js", "page.css", "hashes.txt"] {
        let read = |path: PathBuf| fs::read(&path).map_err(|error| format!("{}: {error}", path.display()));
        if read(fresh.join(name))? != read(root.join("web/dist").join(name))? {
            return Err(format!("web/dist/{name} is not what web/src makes; `cargo xtask web` builds it"));
        }
    }
    sources::check(root)?;
    report("web/dist is what web/src and the crates make");
    if !has_browser() && !install_browser() {
        report("LEFT OUT: tests of the page in a browser; they need chromium (Debian: apt-get install chromium)");
        return Ok(());
    }
    let tool = target(root).join("debug").join(format!("fusewright{}", std::env::consts::EXE_SUFFIX));
    run(node(root).args(["--test", "--test-concurrency=1", "test/page.test.mjs"]).env("FUSEWRIGHT", tool))
}

/// Pictures of every view for the documentation, and figures of a large model.
pub(crate) fn pictures(root: &Path) -> Result<(), String> {
    run(cargo().current_dir(root).args(["build", "--package", "fusewright"]))?;
    packages(root)?;
    let tool = target(root).join("debug").join(format!("fusewright{}", std::env::consts::EXE_SUFFIX));
    run(node(root).arg("test/pictures.mjs").arg(root.join("docs/report")).env("FUSEWRIGHT", tool))
}

fn programs(root: &Path) -> Result<(), String> {
    let rustup = Command::new("rustup").args(["target", "add", TARGET]).status();
    if !rustup.is_ok_and(|status| status.success()) {
        report(&format!("rustup could not add {TARGET}; going on in case it is there"));
    }
    // Paths of this machine stay out of messages.
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    let flags = format!(
        "--remap-path-prefix={}=/fusewright --remap-path-prefix={}=/cargo",
        root.display(),
        home.unwrap_or_default()
    );
    let built = target(root).join(TARGET).join("page/fusewright_wasm.wasm");
    // The crate that embeds the programs is linked into them too, without what it embeds.
    let file = |program: &str| {
        root.join("web/dist").join(format!("{program}.wasm.{}", if program == UNPACKER { "gz" } else { "lzma" }))
    };
    for program in PROGRAMS.into_iter().chain([UNPACKER]) {
        let path = file(program);
        let made = if path.exists() { Ok(()) } else { fs::write(&path, []) };
        made.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    for program in PROGRAMS.into_iter().chain([UNPACKER]) {
        let arguments = ["build", "--package", "fusewright-wasm", "--profile", "page", "--target", TARGET];
        let mut command = cargo();
        command.current_dir(root).args(arguments).args(["--no-default-features", "--features", program]);
        run(command.env("RUSTFLAGS", &flags))?;
        let path = file(program);
        if program == UNPACKER {
            run(node(root).arg("pack.mjs").arg(&built).arg(&path))?;
            continue;
        }
        let packed =
            fs::read(&built).and_then(|bytes| packed(&bytes)).map_err(|error| format!("{program}: {error}"))?;
        report(&format!("{}: {} bytes", path.display(), packed.len()));
        fs::write(&path, packed).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    sources::write(root)
}

/// A program in the form of a `.lzma` file.
fn packed(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut options = LzmaOptions::with_preset(9);
    options.dict_size = 4 << 20;
    let mut writer = LzmaWriter::new_use_header(Vec::new(), &options, Some(bytes.len() as u64))?;
    writer.write_all(bytes)?;
    writer.finish()
}

fn packages(root: &Path) -> Result<(), String> {
    let web = root.join("web");
    if web.join("node_modules/playwright-core").is_dir() && web.join("node_modules/esbuild").is_dir() {
        return Ok(());
    }
    run(Command::new("npm").current_dir(web).args(["ci", "--no-audit", "--no-fund"]))
}

fn types(root: &Path) -> Result<(), String> {
    run(node(root).args(["node_modules/typescript/bin/tsc", "--noEmit"]))
}

fn node(root: &Path) -> Command {
    let mut command = Command::new("node");
    command.current_dir(root.join("web"));
    command
}

fn starts(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn has_browser() -> bool {
    std::env::var_os("CHROMIUM").is_some() || BROWSERS.iter().any(|path| Path::new(path).exists())
}

/// Debian's browser, where this runs as somebody who may install it.
fn install_browser() -> bool {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command.output().is_ok_and(|output| output.status.success())
    };
    apt(&["update", "-qq"]) && apt(&["install", "-y", "-qq", PACKAGE]) && has_browser()
}
