import Glibc

/// Which parameters of a run an average is of: those after step `first`, and after each later one until `last`.
package struct AverageSpan: Codable, Equatable, Sendable {
  package let kind: AverageOptions.Kind
  /// The first step whose parameters count, from 1. Where a run is made longer later, it stays.
  package let first: Int
  /// The last step that counts until now; less than `first` while there is no average yet.
  package private(set) var last: Int
  /// β of an `ema`, otherwise nil.
  package let decay: Double?

  /// Of a run that is planned to have `steps` steps, and has done `step` of them; nil where there is to be no average.
  init?(_ options: AverageOptions, steps: Int, after step: Int = 0) {
    switch options.kind {
    case .none: return nil
    case .tail:
      // At least the last step counts, also where the product is rounded up.
      first = max(step, min(Int(options.from * Double(steps)), steps - 1)) + 1
      decay = nil
    case .ema:
      first = step + 1
      decay = options.decay
    }
    kind = options.kind
    last = first - 1
  }

  /// How many steps count until now.
  package var count: Int { last - first + 1 }

  package var isEmpty: Bool { count == 0 }

  /// Takes in the next step, and returns the weight w of its parameters θ in the average a ← a + w(θ − a); nil where it
  /// does not count.
  ///
  /// Of n steps, w = 1/n for a `tail`. For an `ema` w = (1 − β)/(1 − βⁿ): a is then Σ βⁿ⁻ᵏ θ_k / Σ βⁿ⁻ᵏ, in which
  /// nothing of the zeros is left that it begins with. In both w = 1 for the first.
  mutating func include(step: Int) -> Double? {
    guard step >= first else { return nil }
    precondition(step == last + 1, "an average leaves out no step")
    last = step
    guard let decay else { return 1 / Double(count) }
    return (1 - decay) / (1 - pow(decay, Double(count)))
  }

  /// Whether a run that has done `step` steps can have this one.
  func isPossible(after step: Int) -> Bool {
    kind != .none && first >= 1 && last == max(step, first - 1)
      && (kind == .ema) == (decay != nil) && decay.map { (0..<1).contains($0) } ?? true
  }
}

extension AverageSpan: CustomStringConvertible {
  package var description: String {
    let steps = count == 1 ? "step \(first) alone" : "steps \(first) to \(last)"
    return decay.map { "exponential average of \(steps), decay \($0.short)" } ?? "average of \(steps)"
  }
}
