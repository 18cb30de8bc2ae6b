import Datasets

/// What a model scores class by class, and how far its probabilities can be trusted: sums over examples, which add up over
/// shards and ranks.
package struct ClassScores: Equatable, Sendable {
  /// C
  package let classCount: Int
  /// A number of each kind for every class, then one of each kind for every bin, then the examples of class i that are taken
  /// for class j, at iC + j, where somebody asked for them.
  var sums: [Double]

  /// What is summed for each class: its examples, how many of them are right, or right among the first five, the examples
  /// that are taken for it, and the cross-entropy of its examples.
  package enum ClassSum: Int, CaseIterable {
    case examples, hits, top5Hits, predictions, losses
  }

  /// What is summed by the probability of the most probable class, in bins of equal width: examples, how many of them are
  /// right, and those probabilities.
  private enum BinSum: Int, CaseIterable {
    case binExamples, binHits, confidences
  }

  /// Bins of the expected calibration error.
  package static let binCount = 15

  package init(classCount: Int, countsConfusion: Bool = false) {
    self.classCount = classCount
    let count = ClassSum.allCases.count * classCount + BinSum.allCases.count * Self.binCount
    sums = [Double](repeating: 0, count: count + (countsConfusion ? classCount * classCount : 0))
  }

  private func place(_ kind: ClassSum, _ label: Int) -> Int { kind.rawValue * classCount + label }

  private func place(_ kind: BinSum, _ bin: Int) -> Int {
    ClassSum.allCases.count * classCount + kind.rawValue * Self.binCount + bin
  }

  private var firstConfusion: Int { place(.confidences, Self.binCount) }

  /// Counts an example.
  ///
  /// - Parameters:
  ///   - predicted: its most probable class, and `confidence` that class's probability.
  ///   - rank: how many classes score above the true one.
  mutating func add(label: Int, predicted: Int, rank: Int, loss: Double, confidence: Double) {
    sums[place(.examples, label)] += 1
    sums[place(.predictions, predicted)] += 1
    sums[place(.losses, label)] += loss
    if rank == 0 { sums[place(.hits, label)] += 1 }
    if rank < 5 { sums[place(.top5Hits, label)] += 1 }
    if sums.count > firstConfusion { sums[firstConfusion + label * classCount + predicted] += 1 }
    // What is no number is in no bin.
    guard confidence.isFinite else { return }
    let bin = min(Self.binCount - 1, Int(confidence * Double(Self.binCount)))
    sums[place(.binExamples, bin)] += 1
    sums[place(.confidences, bin)] += confidence
    if rank == 0 { sums[place(.binHits, bin)] += 1 }
  }
}

extension ClassScores {
  /// The sums of all classes.
  package subscript(kind: ClassSum) -> [Double] { Array(sums[place(kind, 0)..<place(kind, classCount)]) }

  private subscript(kind: BinSum) -> [Double] { Array(sums[place(kind, 0)..<place(kind, Self.binCount)]) }

  /// How often the model is right, on average over the classes that have examples: rare classes count as much as others.
  package var balancedAccuracy: Double { mean(.hits) }
  package var balancedTop5Accuracy: Double { mean(.top5Hits) }
  /// Mean cross-entropy of a class, on average over the classes that have examples.
  package var balancedLoss: Double { mean(.losses) }

  private func mean(_ kind: ClassSum) -> Double {
    let present = zip(self[kind], self[.examples]).filter { $1 > 0 }
    return present.reduce(0) { $0 + $1.0 / $1.1 } / Double(present.count)
  }

  /// Expected calibration error: the distance between confidence and accuracy of a bin, on average over the examples. Guo et
  /// al., "On calibration of modern neural networks" (2017).
  package var calibrationError: Double {
    zip(self[.binHits], self[.confidences]).reduce(0) { $0 + abs($1.0 - $1.1) } / self[.binExamples].reduce(0, +)
  }
}

// MARK: For people and for files

extension ClassScores: CustomStringConvertible {
  /// Two lines: what treats all classes alike, and the class that fares worst.
  package var description: String { description(nil) }

  package func description(_ names: [String]?) -> String {
    let (examples, hits) = (self[.examples], self[.hits])
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
    let (examples, hits, top5Hits) = (self[.examples], self[.hits], self[.top5Hits])
    let (predictions, losses) = (self[.predictions], self[.losses])
    return "class,examples,predictions,accuracy,top5_accuracy,precision,loss\n"
      + (0..<classCount).map { c in
        "\(name(c, names)),\(Int(examples[c])),\(Int(predictions[c])),\(ratio(hits[c], examples[c])),"
          + "\(ratio(top5Hits[c], examples[c])),\(ratio(hits[c], predictions[c])),\(ratio(losses[c], examples[c]))\n"
      }.joined()
  }

  /// A line for each true class, a column for each that is predicted.
  package func confusionTable(_ names: [String]?) -> String {
    let confusion = sums[firstConfusion...]
    precondition(!confusion.isEmpty, "nobody asked for confusions")
    let classes = 0..<classCount
    return "class," + classes.map { name($0, names) }.joined(separator: ",") + "\n"
      + classes.map { i in
        "\(name(i, names)),"
          + classes.map { "\(Int(confusion[firstConfusion + i * classCount + $0]))" }.joined(separator: ",") + "\n"
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
