//! A short calibration of the machine that runs the tests.

use fusewright_calibrate::{Effort, calibrate};
use fusewright_device::{Device, Source};

#[test]
fn this_machine_gets_a_file() {
    let mut steps = 0;
    let text = calibrate(Effort::Quick, |_| steps += 1).unwrap_or_else(|problem| panic!("{problem}"));
    assert!(steps > 4);
    let device = Device::from_toml(&text, "calibration").unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(device.power.board_w.source, Source::Estimated);
    assert_eq!(device.memory.bandwidth_gb_s.source, Source::Measured);
}
