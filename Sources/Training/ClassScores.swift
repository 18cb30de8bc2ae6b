import Datasets

/// What a model scores class by class, and how far its probabilities can be trusted: sums over examples, which add up over
/// shards and ranks.
package struct ClassScores: Equatable, Sendable {
  /// C
  package let classCount: Int
  /// Examples of each class, and how many of them are right, or right among the first five.
  package private(set) var examples, hits, top5Hits: [Double]
  /// How many examples are taken for each class.
  package private(set) var predictions: [Double]
  /// Cross-entropy, summed over the examples of each class.
  package private(set) var losses: [Double]
  /// By the probability of the most probable class, in bins of equal width: examples, how many of them are right, and the
  /// sum of those probabilities.
  package private(set) var binExamples, binHits, binConfidences: [Double]
  /// Examples of class i that are taken for class j, at i·C + j; empty where nobody asked.
  package private(set) var confusion: [Double]

  /// Bins of the expected calibration error.
  package static let binCount = 15

  package init(classCount: Int, countsConfusion: Bool = false) {
    self.classCount = classCount
    let zeros = [Double](repeating: 0, count: classCount)
    (examples, hits, top5Hits, predictions, losses) = (zeros, zeros, zeros, zeros, zeros)
    let bins = [Double](repeating: 0, count: Self.binCount)
    (binExamples, binHits, binConfidences) = (bins, bins, bins)
    confusion = countsConfusion ? [Double](repeating: 0, count: classCount * classCount) : []
  }

  /// Counts an example.
  ///
  /// - Parameters:
  ///   - predicted: its most probable class, and `confidence` that class's probability.
  ///   - rank: how many classes score above the true one.
  mutating func add(label: Int, predicted: Int, rank: Int, loss: Double, confidence: Double) {
    examples[label] += 1
    predictions[predicted] += 1
    losses[label] += loss
    if rank == 0 { hits[label] += 1 }
    if rank < 5 { top5Hits[label] += 1 }
    if !confusion.isEmpty { confusion[label * classCount + predicted] += 1 }
    // What is no number is in no bin.
    guard confidence.isFinite else { return }
    let bin = min(Self.binCount - 1, Int(confidence * Double(Self.binCount)))
    binExamples[bin] += 1
    binConfidences[bin] += confidence
    if rank == 0 { binHits[bin] += 1 }
  }
}

extension ClassScores {
  /// How often the model is right, on average over the classes that have examples: rare classes count as much as others.
  package var balancedAccuracy: Double { mean(hits) }
  package var balancedTop5Accuracy: Double { mean(top5Hits) }
  /// Mean cross-entropy of a class, on average over the classes that have examples.
  package var balancedLoss: Double { mean(losses) }

  private func mean(_ sums: [Double]) -> Double {
    let present = examples.indices.filter { examples[$0] > 0 }
    return present.reduce(0) { $0 + sums[$1] / examples[$1] } / Double(present.count)
  }

  /// Expected calibration error: the distance between confidence and accuracy of a bin, on average over the examples. Guo et
  /// al., "On calibration of modern neural networks" (2017).
  package var calibrationError: Double {
    let total = binExamples.reduce(0, +)
    return binExamples.indices.reduce(0) { $0 + abs(binHits[$1] - binConfidences[$1]) } / total
  }
}

extension ClassScores {
  /// All sums, one after another, for one allreduce.
  var flattened: [Double] {
    examples + hits + top5Hits + predictions + losses + binExamples + binHits + binConfidences + confusion
  }

  /// The same scores with other sums.
  func with(flattened sums: [Double]) -> ClassScores {
    var (result, rest) = (self, sums[...])
    func take(_ count: Int) -> [Double] {
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
    result.examples = take(classCount)
    result.hits = take(classCount)
    result.top5Hits = take(classCount)
    result.predictions = take(classCount)
    result.losses = take(classCount)
    result.binExamples = take(Self.binCount)
    result.binHits = take(Self.binCount)
    result.binConfidences = take(Self.binCount)
    result.confusion = take(confusion.count)
    return result
  }
}

// MARK: For people and for files

extension ClassScores: CustomStringConvertible {
  /// Two lines: what treats all classes alike, and the class that fares worst.
  package var description: String { description(nil) }

  package func description(_ names: [String]?) -> String {
    var lines = [
      "balanced  loss \(balancedLoss.short)  accuracy \(balancedAccuracy.percent)  top-5 \(balancedTop5Accuracy.percent)  "
        + "(\(examples.count { $0 > 0 }) classes)",
      "expected calibration error \(calibrationError.percent)",
    ]
    let present = examples.indices.filter { examples[$0] > 0 }
    if let worst = present.min(by: { hits[$0] * examples[$1] < hits[$1] * examples[$0] }), present.count > 1 {
      lines[1] +=
        "  worst class \(names?[worst] ?? "\(worst)"): \((hits[worst] / examples[worst]).percent) of \(Int(examples[worst])) examples"
    }
    return lines.joined(separator: "\n")
  }

  /// A line for each class: its examples and predictions, the fractions of its examples that are right at once and among five,
  /// the fraction of its predictions that are right, its mean cross-entropy. What has no examples is empty.
  package func classTable(_ names: [String]?) -> String {
    func ratio(_ part: Double, _ whole: Double) -> String { whole > 0 ? "\(part / whole)" : "" }
    return "class,examples,predictions,accuracy,top5_accuracy,precision,loss\n"
      + (0..<classCount).map { c in
        "\(name(c, names)),\(Int(examples[c])),\(Int(predictions[c])),\(ratio(hits[c], examples[c])),"
          + "\(ratio(top5Hits[c], examples[c])),\(ratio(hits[c], predictions[c])),\(ratio(losses[c], examples[c]))\n"
      }.joined()
  }

  /// A line for each true class, a column for each that is predicted.
  package func confusionTable(_ names: [String]?) -> String {
    precondition(!confusion.isEmpty, "nobody asked for confusions")
    let classes = 0..<classCount
    return "class," + classes.map { name($0, names) }.joined(separator: ",") + "\n"
      + classes.map { i in
        "\(name(i, names))," + classes.map { "\(Int(confusion[i * classCount + $0]))" }.joined(separator: ",") + "\n"
      }.joined()
  }

  private func name(_ c: Int, _ names: [String]?) -> String { names.map { CSV.field($0[c]) } ?? "\(c)" }

  /// The totals as a JSON object on one line, without its end.
  package var json: String {
    let evaluation = Evaluation(self)
    var line = JSONLine()
    line.add("accuracy", evaluation.accuracy)
    line.add("balanced_accuracy", balancedAccuracy)
    line.add("balanced_loss", balancedLoss)
    line.add("balanced_top5_accuracy", balancedTop5Accuracy)
    line.add("calibration_error", calibrationError)
    line.add("examples", evaluation.examples)
    line.add("loss", evaluation.loss)
    line.add("top5_accuracy", evaluation.top5Accuracy)
    return String(decoding: line.finished().dropLast(), as: UTF8.self)
  }
}
