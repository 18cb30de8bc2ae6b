import Datasets

/// How many examples of a training set each class has, as far as a person should look at it.
struct LabelCounts {
  /// By class.
  let counts: [Int]

  init(_ labels: [Int32], classCount: Int) {
    counts = labels.reduce(into: [Int](repeating: 0, count: classCount)) { $0[Int($1)] += 1 }
  }

  /// One line; nil where each class has an example.
  var warning: String? {
    let present = counts.indices.filter { counts[$0] > 0 }
    guard let first = present.first, let last = present.last, present.count < counts.count else { return nil }
    // Far from all others, as numbers that stand for no class are.
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
}
