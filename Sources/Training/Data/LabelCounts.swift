import Datasets

/// The number of examples of each class in a training set, with a warning for unlikely labels.
struct LabelCounts {
  /// The counts by class.
  let counts: [Int]

  init(_ labels: [Int32], classCount: Int) {
    counts = labels.reduce(into: [Int](repeating: 0, count: classCount)) { $0[Int($1)] += 1 }
  }

  /// Whether the largest class has more than twice as many examples as the mean.
  var areUneven: Bool { 2 * counts.reduce(0, +) < (counts.max() ?? 0) * counts.count }

  /// A warning in one line; nil where each class has an example.
  var warning: String? {
    let present = counts.indices.filter { counts[$0] > 0 }
    guard let first = present.first, let last = present.last, present.count < counts.count else { return nil }
    // A label far above all others may stand for no class.
    if last >= 99, present.count > 1, case let second = present[present.count - 2], last >= 2 * (second + 1) {
      return
        "\(last) only in \(counts[last]) rows, and the other labels go from \(first) to \(second): an ignore label? "
        + "data.ignore_label: \(last) leaves such rows out"
    }
    let missing = counts.indices.filter { counts[$0] == 0 }
    let list =
      missing.count > 5
      ? "\(missing.count) of \(counts.count) classes have no examples, the first of them \(missing[0])"
      : missing.count == 1
        ? "class \(missing[0]) has no examples"
        : "classes \(missing.map(String.init).joined(separator: ", ")) have no examples"
    return "labels \(first) to \(last): \(list)" + (first > 0 ? "; class numbers count from 0" : "")
  }

  /// A warning in one line where the classes of a table look like the values of a feature; nil elsewhere.
  static func warning(of classes: ClassMap, examples: Int) -> String? {
    guard classes.isNumeric, classes.count > max(10, examples / 10),
      let fraction = classes.names.first(where: { Double($0).map { $0 != $0.rounded() } ?? false })
    else { return nil }
    return
      "the labels are \(classes.count) different numbers in \(examples) examples, such as \(fraction): if they are in "
      + "another column, name it in data.train.label_column"
  }
}

extension TrainingData {
  /// Whether classes differ so much in their examples that biases have to tell, which their decay would keep them from.
  package var hasUnevenClasses: Bool { LabelCounts(train.labels, classCount: classCount).areUneven }
}
