import GaussNewton
import LinearAlgebra
import MPI

/// A run whose numbers are not finite, so that there is nothing worth keeping.
struct Divergence: Error, CustomStringConvertible, ExitCodeProviding {
  /// The number of steps done.
  let step: Int
  /// The evidence, as a sentence.
  let sign: String
  /// Whether the method has a damping that can be raised.
  var isDamped = false

  var exitCode: Int32 { 70 }
  var description: String {
    "step \(step): \(sign); the run diverged: lower optimizer.learning_rate"
      + "\(isDamped ? " or raise optimizer.damping.initial" : ""), and resume from a checkpoint or start again"
  }
}

extension Divergence {
  /// The divergence that the report of a step shows, if any: a loss of NaN, or an update that the precision cannot
  /// represent.
  init?<Scalar: BLASScalar>(_ report: StepReport, step: Int, rate: Double, _: Scalar.Type) {
    if !report.loss.isFinite {
      self.init(
        step: step, sign: "the loss is not finite\(report.damping.map { " at damping \($0.short)" } ?? "")",
        isDamped: report.damping != nil)
    } else if report.accepted, !Scalar(rate * report.stepNorm).isFinite {
      self.init(
        step: step, sign: "a step of norm \(report.stepNorm.short) at the learning rate \(rate.short) overflows",
        isDamped: report.damping != nil)
    } else {
      return nil
    }
  }
}
