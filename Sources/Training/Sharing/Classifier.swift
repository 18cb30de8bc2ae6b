import Datasets
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// A model as this rank runs it: with all parameters, or where ranks share out the classes of its head with those of its
/// classes.
package struct Classifier<Scalar: DistributedScalar> {
  let share: ParameterShare
  package let parameters: Vector<Scalar>
  /// What ranks share out of the head.
  package let head: HeadPlacement

  package var network: Network { share.network }
  /// nil where this rank has all classes.
  package var classes: ClassShards? { share.classes }
}

extension ModelFile {
  /// Reads from the file what this rank runs of the model on such examples. The file is the one whose header this is.
  ///
  /// - Parameter head: what ranks are to share out of the head.
  /// - Throws: exit code 65 where ranks have other models or numbers of examples, and for damaged parameters. Collective.
  package func classifier<Scalar: DistributedScalar>(
    for examples: some FeatureSource, head asked: HeadShard, over communicator: Communicator
  ) throws -> Classifier<Scalar> {
    try communicator.agree(contents.checksum ?? [], about: "the model")
    try communicator.agree(UInt64(examples.rows), about: "the number of examples")
    let network: Network = try communicator.collectively { try self.network(sparseInputs: examples.isSparse) }
    let head = try HeadPlacement.choose(asked, for: configuration, ranks: communicator.size) {
      let share = try HostMemory.share(resident: (examples as? Features)?.residentSize ?? 0, over: communicator)
      return Classifier<Scalar>.size(network) <= Double(share.bytes)
    }
    let share = ParameterShare(
      network, classes: head.shard.sharesClasses ? ClassShards(network.outputCount, over: communicator) : nil)
    let parameters: Vector<Scalar> = try communicator.collectively {
      try share.parameters(from: contents, names: contents.names(of: network))
    }
    return Classifier(share: share, parameters: parameters, head: head)
  }
}

extension Classifier {
  /// Bytes that a rank takes for a whole model: its parameters, which are there three times while they are read, and what runs
  /// rows.
  fileprivate static func size(_ network: Network) -> Double {
    let numbers =
      3 * Double(network.layout.count) + Evaluator<Scalar>.memoryCount(network, hasProbabilities: false)
    return Double(MemoryLayout<Scalar>.size) * numbers
  }
}
