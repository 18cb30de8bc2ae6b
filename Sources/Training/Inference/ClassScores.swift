import Datasets

/// The scores of a model class by class, and the calibration of its probabilities. All are sums over examples, which
/// add up over shards and ranks.
package struct ClassScores: Equatable, Sendable {
  /// C
  package let classCount: Int
  /// The class sums by kind, then the bin sums by kind, then, if requested, the confusion counts: examples of class i
  /// taken for class j at iC + j.
  var sums: [Double]

  /// The sums per class: its examples, those that are right, those that are right among the first five, the examples
  /// taken for it, the cross-entropy of its examples, and its squares.
  package enum ClassSum: Int, CaseIterable {
    case examples, hits, top5Hits, predictions, losses, squaredLosses
  }

  /// The sums per bin of confidence, the probability of the most probable class: examples, those that are right, and
  /// confidences. Bins have equal width.
  private enum BinSum: Int, CaseIterable {
    case binExamples, binHits, confidences
  }

  /// The number of bins of the expected calibration error.
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

  /// Adds an example to the sums.
  ///
  /// - Parameters:
  ///   - predicted: the most probable class; `confidence` is its probability.
  ///   - rank: the number of classes that score above the true one.
  mutating func add(label: Int, predicted: Int, rank: Int, loss: Double, confidence: Double) {
    sums[place(.examples, label)] += 1
    sums[place(.predictions, predicted)] += 1
    sums[place(.losses, label)] += loss
    sums[place(.squaredLosses, label)] += loss * loss
    if rank == 0 { sums[place(.hits, label)] += 1 }
    if rank < 5 { sums[place(.top5Hits, label)] += 1 }
    if sums.count > firstConfusion { sums[firstConfusion + label * classCount + predicted] += 1 }
    // A NaN belongs to no bin.
    guard confidence.isFinite else { return }
    let bin = min(Self.binCount - 1, Int(confidence * Double(Self.binCount)))
    sums[place(.binExamples, bin)] += 1
    sums[place(.confidences, bin)] += confidence
    if rank == 0 { sums[place(.binHits, bin)] += 1 }
  }
}

extension ClassScores {
  /// The sums of one kind, by class.
  package subscript(kind: ClassSum) -> [Double] { Array(sums[place(kind, 0)..<place(kind, classCount)]) }

  /// The sum over all classes.
  func total(_ kind: ClassSum) -> Double { self[kind].reduce(0, +) }

  private subscript(kind: BinSum) -> [Double] { Array(sums[place(kind, 0)..<place(kind, Self.binCount)]) }

  /// The mean, over the classes that have examples, of the fraction that is right: rare classes weigh as much as
  /// others.
  package var balancedAccuracy: Double { mean(.hits) }
  package var balancedTop5Accuracy: Double { mean(.top5Hits) }
  /// The mean, over the classes that have examples, of the mean cross-entropy per class.
  package var balancedLoss: Double { mean(.losses) }

  /// The standard error of the mean cross-entropy over the examples.
  package var lossError: Double {
    let count = total(.examples)
    let mean = total(.losses) / count
    return (max(0, total(.squaredLosses) / count - mean * mean) / max(1, count - 1)).squareRoot()
  }

  private func mean(_ kind: ClassSum) -> Double {
    let present = zip(self[kind], self[.examples]).filter { $1 > 0 }
    return present.reduce(0) { $0 + $1.0 / $1.1 } / Double(present.count)
  }

  /// Expected calibration error: the distance between confidence and accuracy of a bin, averaged over the examples. Guo
  /// et al., "On calibration of modern neural networks" (2017).
  package var calibrationError: Double {
    zip(self[.binHits], self[.confidences]).reduce(0) { $0 + abs($1.0 - $1.1) } / self[.binExamples].reduce(0, +)
  }
}

// MARK: For people and for files

extension ClassScores: CustomStringConvertible {
  /// Two lines: the scores that treat all classes alike, and the class that fares worst.
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

  /// A table with one line per class: examples, predictions, the fractions of its examples that are right at once and
  /// among five, the fraction of its predictions that are right, and the mean cross-entropy. Fields without examples
  /// are empty.
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

  /// A table with one line per true class and one column per predicted class.
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

  /// The totals as a JSON object on one line, without a newline.
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
