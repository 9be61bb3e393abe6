//! What was found, as the text of a device file.

use std::fmt::Write;

use crate::machine::Machine;

/// Vector units of a core that multiply and accumulate: two on nearly all cores; no program is told.
const FMA_PORTS: u32 = 2;
/// Power of a busy core with its part of the chip, W.
const WATTS_PER_CORE: f64 = 8.0;
/// Power of the rest of the package, W.
const WATTS_BESIDE: f64 = 15.0;
/// Share of package power that is drawn idle.
const IDLE_SHARE: f64 = 0.15;
/// Energy of a byte of DDR4 or DDR5 with its interface, pJ.
const DRAM_PJ: f64 = 120.0;

/// All measurements.
pub(crate) struct Findings<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) clock_ghz: f64,
    pub(crate) f32_tflops: f64,
    pub(crate) f64_tflops: f64,
    /// Bandwidth of each cache, 10⁹ bytes a second.
    pub(crate) levels: Vec<f64>,
    /// Bandwidth of main memory.
    pub(crate) main: f64,
    pub(crate) parallel_us: f64,
    pub(crate) floor_us: f64,
}

impl Findings<'_> {
    /// The file. What a busy machine measured out of order is put in order: no clock below what the products show, no
    /// cache slower than what lies behind it.
    pub(crate) fn toml(&self) -> String {
        let machine = self.machine;
        let cores = machine.cores as f64;
        let lanes = f64::from(machine.simd_bits / 32 * FMA_PORTS);
        let f32_peak = rounded(self.f32_tflops);
        let clock = rounded(self.clock_ghz.max(f32_peak * 1e3 / (cores * 2.0 * lanes)));
        let fma = rounded(f32_peak * 1e3 / (cores * 2.0 * clock));
        let board = WATTS_BESIDE + WATTS_PER_CORE * cores;
        let board = rounded(board.max(2.0 * DRAM_PJ * self.main / 1e3));
        let main = rounded(self.main);
        let name = machine.name.replace(['"', '\\'], "").replace(char::is_control, " ");
        let mut text = String::new();
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        line(format!("id = \"{}\"", kebab(&name)));
        line(format!("name = \"{name}\""));
        line("revision = 1\nclass = \"cpu\"".to_owned());
        line(format!("family = \"{}\"", kebab(std::env::consts::ARCH)));
        line("references = [\"measured by fusewright hw calibrate\"]".to_owned());

        line("\n[peak]".to_owned());
        line(measured("f64", rounded(self.f64_tflops.min(self.f32_tflops)), "large products on all cores"));
        line(measured("f32", f32_peak, "large products on all cores"));

        line("\n[memory]".to_owned());
        line(measured("bandwidth_gb_s", main, "sum of two vectors, 12 bytes an element"));
        if let Some(memory) = machine.memory {
            line(measured("capacity_gb", rounded(memory as f64 / 1e9), "as the system reports it"));
        }

        line("\n[units]".to_owned());
        line(measured("count", cores, "cores that the program may use"));
        line(measured("clock_ghz", clock, "dependent integer operations, one core busy"));
        line(measured("fma_per_clock", fma, "what the measured products come to at this clock"));
        line("fma_dtype = \"f32\"".to_owned());
        line(self.of_system("on_chip_kib", machine.nearest_of_core as f64 / 1024.0));

        line("\n[power]".to_owned());
        line(estimated("board_w", board, "15 W and 8 W a core; a program cannot measure it"));
        line(estimated("idle_w", rounded(IDLE_SHARE * board), "15 % of the power at work"));
        line(estimated("dram_pj_per_byte", DRAM_PJ, "DDR4 or DDR5, about 15 pJ a bit with its interface"));
        line(estimated("last_level_pj_per_byte", 20.0, "as on other desktop and server processors"));
        line(estimated("on_chip_pj_per_byte", 2.0, "as on other desktop and server processors"));

        line("\n[launch]".to_owned());
        line(measured("floor_us", rounded(self.floor_us.max(0.01)), "product of 8 by 8 matrices on one core"));
        line(estimated("dispatch_us", 8.0, "PyTorch takes 4 to 10 µs"));

        line("\n[cpu]".to_owned());
        line(format!(
            "simd_bits = {{ value = {}, source = \"measured\", note = \"widest that is used\" }}",
            machine.simd_bits
        ));
        line(format!(
            "fma_ports = {{ value = {FMA_PORTS}, source = \"estimated\", note = \"as nearly all cores have\" }}"
        ));
        line(measured("parallel_us", rounded(self.parallel_us.max(1e-3)), "all threads started and joined, no work"));

        let rates = self.ordered_rates(main);
        for (level, (rate, as_measured)) in machine.caches.iter().zip(rates) {
            line(format!("\n[[cpu.caches]]\nname = \"{}\"", level.name));
            line(self.of_system("kib", level.bytes as f64 / 1024.0));
            let note = "sum of two vectors, 12 bytes an element";
            let raised = "no more was measured behind it; raised to the rate of the level behind";
            line(if as_measured {
                measured("bandwidth_gb_s", rate, note)
            } else {
                estimated("bandwidth_gb_s", rate, raised)
            });
        }
        text
    }

    fn of_system(&self, field: &str, value: f64) -> String {
        if self.machine.caches_known {
            measured(field, rounded(value), "as the system reports it")
        } else {
            estimated(field, rounded(value), "the system does not tell; size of an ordinary processor")
        }
    }

    /// Rates of the caches, no level slower than what lies behind it, and whether they are what was measured.
    fn ordered_rates(&self, main: f64) -> Vec<(f64, bool)> {
        let mut behind = main;
        let mut rates: Vec<(f64, bool)> = Vec::new();
        for &rate in self.levels.iter().rev() {
            let rate = rounded(rate);
            rates.push((rate.max(behind), rate >= behind));
            behind = rate.max(behind);
        }
        rates.reverse();
        rates
    }
}

fn measured(field: &str, value: f64, note: &str) -> String {
    quantity(field, value, "measured", note)
}

fn estimated(field: &str, value: f64, note: &str) -> String {
    quantity(field, value, "estimated", note)
}

fn quantity(field: &str, value: f64, source: &str, note: &str) -> String {
    let mut text = String::new();
    // Writing into a text cannot fail.
    let _ = write!(text, "{field} = {{ value = {value}, source = \"{source}\", note = \"{note}\" }}");
    text
}

/// Four significant digits: more would be noise.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// Lower-case letters and digits in words joined by single hyphens.
fn kebab(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let text = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-");
    if text.is_empty() { "cpu".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use fusewright_device::Device;

    use super::*;
    use crate::machine::Level;

    fn findings(machine: &Machine) -> Findings<'_> {
        Findings {
            machine,
            clock_ghz: 3.0,
            f32_tflops: 0.15,
            f64_tflops: 0.07,
            levels: vec![200.0, 100.0, 40.0],
            main: 25.0,
            parallel_us: 2.0,
            floor_us: 0.2,
        }
    }

    fn machine() -> Machine {
        let level = |name: &str, kib: u64| Level { name: name.to_owned(), bytes: kib << 10 };
        Machine {
            name: "A \"CPU\" @ 3.0 GHz".to_owned(),
            cores: 2,
            caches: vec![level("L1", 64), level("L2", 1024), level("L3", 32_768)],
            caches_known: true,
            nearest_of_core: 32 << 10,
            memory: Some(24_000_000_000),
            simd_bits: 256,
        }
    }

    #[test]
    fn a_file_passes_the_checks_of_device_files() {
        let machine = machine();
        let device =
            Device::from_toml(&findings(&machine).toml(), "test").unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!((device.id.as_str(), device.class.name()), ("a-cpu-3-0-ghz", "cpu"));
        assert!((device.units.fma_per_clock.value - 12.5).abs() < 1e-9);
    }

    #[test]
    fn noise_of_a_busy_machine_does_not_make_it_impossible() {
        let machine = machine();
        let mut noisy = findings(&machine);
        // A clock that was measured while something else ran, a last level slower than main memory.
        noisy.clock_ghz = 1.0;
        noisy.levels = vec![50.0, 60.0, 20.0];
        noisy.f64_tflops = 0.2;
        Device::from_toml(&noisy.toml(), "test").unwrap_or_else(|problem| panic!("{problem}"));
    }
}
