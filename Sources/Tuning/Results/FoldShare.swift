import Training

/// What the scores of a fold count for among those of all folds.
package struct FoldShare: Codable, Equatable, Sendable {
  /// The number of examples of the fold.
  package var examples: Int
  /// The sum over the examples of the fold that are right of 1/n_c: n_c is how many examples the class has in all folds. The
  /// sum over the folds, divided by the number of classes, is the balanced accuracy of all examples.
  package var balancedHits: Double

  package init(examples: Int, balancedHits: Double) {
    (self.examples, self.balancedHits) = (examples, balancedHits)
  }

  /// - Parameter hits: how many examples of each class are right (C); `sizes`: how many the class has in all folds.
  init(examples: Int, hits: [Double], of sizes: [Int]) {
    let shares = zip(hits, sizes).map { $1 == 0 ? 0 : $0 / Double($1) }
    self.init(examples: examples, balancedHits: shares.reduce(0, +))
  }
}

extension TrialResult {
  /// A trial by its folds: the scores over the examples of all of them. Steps are the means of the folds, rounded. It has
  /// diverged if a fold has.
  ///
  /// - Parameter classes: the number of classes that have examples.
  package init(_ trial: Trial, pooling parts: [TrialResult], classes: Int) {
    let hasDiverged = parts.contains(where: \.hasDiverged)
    func mean(_ value: (TrialResult) -> Int) -> Int {
      (2 * parts.reduce(0) { $0 + value($1) } + parts.count) / (2 * parts.count)
    }
    self.init(
      trial: trial, steps: mean(\.steps), bestStep: hasDiverged ? nil : mean { $0.bestStep! },
      stepsInAll: mean(\.stepsInAll), loss: .infinity, lossError: 0, accuracy: 0, balancedAccuracy: 0,
      seconds: parts.reduce(0) { $0 + $1.seconds })
    if hasDiverged { return }
    let counts = parts.map { Double($0.share!.examples) }
    let count = counts.reduce(0, +)
    func mean(_ value: (TrialResult) -> Double) -> Double {
      zip(parts, counts).reduce(0) { $0 + value($1.0) * $1.1 } / count
    }
    loss = mean(\.loss)
    accuracy = mean(\.accuracy)
    balancedAccuracy = parts.reduce(0) { $0 + $1.share!.balancedHits } / Double(classes)
    // The squares around the mean of a fold, and those of that mean around the mean of all.
    var squares = 0.0
    for (result, count) in zip(parts, counts) {
      let distance = result.loss - loss
      let variance = max(1, count - 1) * result.lossError * result.lossError
      squares += count * (variance + distance * distance)
    }
    lossError = (squares / count / max(1, count - 1)).squareRoot()
  }
}
