import Datasets
import GaussNewton

/// The number of steps at the end of a run that were not taken.
package struct RejectedSteps: Equatable, Sendable {
  package private(set) var steps = 0
  /// Steps since the last one that was taken.
  package private(set) var streak = 0
  /// An upper bound of the last step's predicted gain, ‖g‖‖Δ‖, relative to the loss.
  package private(set) var gain = 0.0
  package private(set) var damping: Double?

  package init() {}

  package mutating func count(_ report: StepReport) {
    steps += 1
    streak = report.accepted ? 0 : streak + 1
    gain = report.gradientNorm * report.stepNorm / max(report.loss, .leastNormalMagnitude)
    damping = report.damping
  }
}

extension Warning {
  /// A warning for a run that took no step, or none in its last quarter if that is four steps or more.
  package static func rejection(
    _ rejected: RejectedSteps, _ options: Damping.Options, hasFullBatches: Bool, scales: FeatureScales?,
    _ precision: Configuration.TrainingOptions.Precision
  ) -> Warning? {
    let (steps, streak) = (rejected.steps, rejected.streak)
    guard streak > 0, streak == steps || streak >= 4 && 4 * streak >= steps else { return nil }
    let what =
      streak == steps
      ? "none of the \(steps) steps was taken, for none lowered the loss: the parameters are those of the start"
      : "the last \(streak) of \(steps) steps were not taken, for none lowered the loss"
    let isRounding = rejected.gain < (precision == .float32 ? 1e-6 : 1e-14)
    let isAtMaximum = (rejected.damping ?? 0) >= options.maximum && options.maximum > options.minimum
    let remedy: String
    if let scales, scales != .alike {
      remedy = "\(scales.description); set data.normalize to auto"
    } else if isAtMaximum {
      remedy =
        "optimizer.damping.maximum (\(options.maximum.short)) keeps the damping from rising to where one would be; raise it"
    } else if isRounding {
      remedy =
        "what there is to gain is lost in the roundings of the loss: the run has ended where "
        + (precision == .float32 ? "float32 goes; for more set training.precision to float64" : "float64 goes")
    } else if hasFullBatches {
      remedy =
        "lower optimizer.learning_rate, raise optimizer.damping.initial or set optimizer.step_length to line-search"
    } else {
      remedy = "raise optimizer.batch_size, lower optimizer.learning_rate or raise optimizer.damping.initial"
    }
    return Warning(kind: .rejection, text: "\(what); \(remedy)")
  }

  /// A warning for features of different scales whose normalization keeps them so.
  package static func scales(_ scales: FeatureScales?, _ kind: Normalization.Kind) -> Warning? {
    guard let scales, scales != .alike else { return nil }
    return Warning(
      kind: .scales,
      text:
        "\(scales.description), which data.normalize \(kind.rawValue) leaves as it is: training will be slow or fail; "
        + "set data.normalize to auto")
  }
}

extension Configuration {
  /// The scales of the features, if the normalization does not change their proportions.
  package func scalesToWarnOf(_ scales: FeatureScales?) -> FeatureScales? {
    [.none, .scale].contains(data.normalize) ? scales : nil
  }
}

extension FeatureScales: CustomStringConvertible {
  package var description: String {
    switch self {
    case .alike: "the features are of one scale"
    case .apart(let column, let magnitude, let typical):
      "feature \(column) goes to \(magnitude.short) where features typically go to \(typical.short)"
    case .shifted(let column, let mean, let deviation):
      "feature \(column) is \(mean.short) ± \(deviation.short), far from zero for its spread"
    }
  }
}
