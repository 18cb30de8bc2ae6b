import Datasets
import MPI
import Training

/// The examples of a search: the training and validation sets that its trials share, or of each fold.
package final class SearchData {
  /// Of which no rows are held out.
  let sets: CheckedSets
  /// With folds, what the first one leaves and holds. Has a test set, which trials do not see.
  package let first: TrainingData
  /// The number of folds; nil for one validation set.
  package let folds: Int?
  private let configuration: Configuration
  private let communicator: Communicator
  private var current: (fold: Int, data: TrainingData)?

  /// - Parameter configuration: what all settings share; with folds, `data.validation.fold` is the first of them.
  ///   Collective.
  package init(_ configuration: Configuration, _ sets: CheckedSets, over communicator: Communicator) throws {
    (self.configuration, self.sets, self.communicator) = (configuration, sets, communicator)
    folds = configuration.data.validation.fold?.count
    first = try sets.data(configuration, over: communicator)
  }

  /// A remark for the user on classes that are not in all folds; nil where all are.
  package var note: String? {
    guard let folds else { return nil }
    let rare = sets.classSizes.count { $0 > 0 && $0 < folds }
    if rare == 0 { return nil }
    return "note: \(rare) of the classes \(rare == 1 ? "has" : "have") fewer examples than there are folds, and "
      + "\(rare == 1 ? "is" : "are") not in all of them"
  }

  /// A configuration that holds out a fold. The kind of the normalization is the same for all folds.
  func holdingOut(_ fold: Int, in configuration: Configuration) -> Configuration {
    var configuration = configuration
    configuration.data.validation.fold = Fold(fold, of: folds!)
    configuration.data.normalize = first.normalization.kind
    return configuration
  }

  /// The examples without a test set: nothing is chosen by it. Those of a fold stay until those of another are asked for.
  /// Collective.
  func data(holdingOut fold: Int?) throws -> TrainingData {
    guard let fold, fold > 1 else { return first.withoutTest }
    if let current, current.fold == fold { return current.data }
    current = nil
    let data = try sets.data(holdingOut(fold, in: configuration), over: communicator).withoutTest
    current = (fold, data)
    return data
  }
}
