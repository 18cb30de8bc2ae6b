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
  /// Why the run does not back off, where it is to.
  var obstacle: String?

  var exitCode: Int32 { 70 }
  var description: String {
    "step \(step): \(sign); the run diverged\(obstacle.map { ", and \($0)" } ?? ""): lower optimizer.learning_rate"
      + "\(isDamped ? " or raise optimizer.damping.initial" : ""), and resume from a checkpoint or start again"
  }
}

extension Divergence {
  /// The divergence that the report of a step shows, if any: a loss of NaN or above a limit, or an update that the
  /// precision cannot represent.
  init?<Scalar: BLASScalar>(_ report: StepReport, step: Int, rate: Double, lossLimit: Double, _: Scalar.Type) {
    let isDamped = report.damping != nil
    if let sign = Self.sign(of: report.loss, limit: lossLimit) {
      self.init(
        step: step, sign: sign + (report.damping.map { " at damping \($0.short)" } ?? ""), isDamped: isDamped)
    } else if report.accepted, !Scalar(rate * report.stepNorm).isFinite {
      self.init(
        step: step, sign: "a step of norm \(report.stepNorm.short) at the learning rate \(rate.short) overflows",
        isDamped: isDamped)
    } else {
      return nil
    }
  }

  /// What a loss says of a divergence; nil if nothing.
  static func sign(_ name: String = "loss", of loss: Double, limit: Double) -> String? {
    if !loss.isFinite { return "the \(name) is not finite" }
    return loss > limit ? "the \(name) is \(loss.short), more than \(limit.short)" : nil
  }
}
