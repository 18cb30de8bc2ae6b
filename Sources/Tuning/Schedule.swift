/// How long settings are trained: successive halving, where there are many and none starts from another's model. All train for
/// a part of their steps, the best third trains anew for three times as many, and so on (Jamieson and Talwalkar,
/// "Non-stochastic best arm identification and hyperparameter optimization", 2016, with runs whose learning rate comes to its
/// end in each rung).
package struct Schedule: Equatable, Sendable {
  /// The number of rungs; the last one trains all steps.
  package let rungs: Int

  /// Of three settings each goes on to the next rung.
  package static let ratio = 3
  /// The part of the steps of a run that a setting of a path trains from the model of the one before.
  package static let warmPart = 6

  package init(rungs: Int) { self.rungs = rungs }

  /// For a number of settings: the last rung has two of them or more.
  package init(settings: Int) {
    rungs = settings >= 9 ? 3 : settings >= 4 ? 2 : 1
  }

  /// The steps of a setting in a rung, counted from 1, where a whole run has `total`.
  package func steps(rung: Int, of total: Int, isWarm: Bool) -> Int {
    let part = isWarm ? Self.warmPart : (rung..<rungs).reduce(1) { product, _ in product * Self.ratio }
    return max(1, (total + part - 1) / part)
  }

  /// How many of `count` settings go on to the next rung.
  package func survivors(of count: Int) -> Int { min(count, max(2, (count + Self.ratio - 1) / Self.ratio)) }
}
