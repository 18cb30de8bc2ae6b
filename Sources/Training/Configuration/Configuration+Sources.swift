import Datasets

extension Configuration.DataOptions {
  /// Files of features and of the labels of the same examples, or text files that have both; none for the embedded digits.
  package struct Source: Codable, Equatable, Sendable {
    @Nullable package var features: FileList?
    @Nullable package var labels: FileList?
    package var format = ExampleFormat.auto
    /// Where a table has its labels: `first`, `last`, a number counted from 1, or a name.
    package var labelColumn = "last"
    /// Files of weights, one for each example; of the training set alone.
    @Nullable package var weights: FileList?

    package init(features: FileList? = nil, labels: FileList? = nil) {
      self.features = features
      self.labels = labels
    }

    /// The format of text files, in which the labels are; nil for arrays.
    package var text: ExampleFormat? { features.flatMap { format.text($0) } }

    enum CodingKeys: String, CodingKey {
      case features, labels, format
      case labelColumn = "label_column"
      case weights
    }
  }

  /// The examples by which a run chooses its model: a source of their own, or rows of the training set.
  package struct Validation: Codable, Equatable, Sendable {
    @Nullable package var features: FileList?
    @Nullable package var labels: FileList?
    package var format = ExampleFormat.auto
    /// Where a table has its labels.
    package var labelColumn = "last"
    /// The share of the training set, between 0 and 1.
    @Nullable package var fraction: Double?
    /// The part of the training set, as one of several.
    @Nullable package var fold: Fold?

    package init() {}

    /// Whether there is to be a validation set.
    package var isGiven: Bool { features != nil || isHeldOut }
    /// Whether it is rows of the training set.
    package var isHeldOut: Bool { fraction != nil || fold != nil }

    /// The files, as those of a test set.
    package var source: Source {
      var source = Source(features: features, labels: labels)
      (source.format, source.labelColumn) = (format, labelColumn)
      return source
    }

    enum CodingKeys: String, CodingKey {
      case features, labels, format
      case labelColumn = "label_column"
      case fraction, fold
    }
  }
}

extension Configuration.TrainingOptions {
  /// Which parameters a run ends with.
  package enum Keep: String, Codable, CaseIterable, Sendable {
    /// The best ones on the validation set.
    case best
    case last
  }

  /// What evaluations on the validation set are compared by.
  package enum Criterion: String, Codable, CaseIterable, Sendable {
    case loss, accuracy
    case balancedAccuracy = "balanced_accuracy"
  }
}
