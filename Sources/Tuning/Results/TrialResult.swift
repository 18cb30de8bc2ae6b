import Training

/// A run of a setting within a search, or its runs on all folds.
package struct Trial: Codable, Equatable, Hashable, Sendable {
  /// The number of the setting.
  package let setting: Int
  /// Counted from 1.
  package let rung: Int
  /// The fold that is held out, counted from 1; nil for all of them, and where there are none.
  package var fold: Int?

  package init(setting: Int, rung: Int, fold: Int? = nil) {
    (self.setting, self.rung, self.fold) = (setting, rung, fold)
  }

  /// The part of this trial that holds out a fold.
  package func holdingOut(_ fold: Int?) -> Trial { Trial(setting: setting, rung: rung, fold: fold) }
}

/// What a trial has come to, on the validation set.
package struct TrialResult: Codable, Equatable, Sendable {
  package var trial: Trial
  package var steps: Int
  /// The step of the model; nil where none had a finite loss.
  package var bestStep: Int?
  /// The steps that led to the model, with those of the models that it started from.
  package var stepsInAll: Int
  package var loss: Double
  /// The standard error of the mean loss over the examples of the validation set.
  package var lossError: Double
  package var accuracy: Double
  package var balancedAccuracy: Double
  /// Seconds of the last process that worked on it.
  package var seconds: Double
  /// What a fold adds to the scores of all; nil for whole trials.
  package var share: FoldShare?

  package var hasDiverged: Bool { bestStep == nil }

  /// By what settings are compared: the smaller, the better.
  package func cost(by criterion: Configuration.TrainingOptions.Criterion) -> Double {
    if hasDiverged { return .infinity }
    return switch criterion {
    case .loss: loss
    case .accuracy: -accuracy
    case .balancedAccuracy: -balancedAccuracy
    }
  }

  /// What is left to gain: the loss, or the share of errors.
  package func shortfall(by criterion: Configuration.TrainingOptions.Criterion) -> Double {
    criterion == .loss ? loss : 1 + cost(by: criterion)
  }
}
