import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@testable import Training

/// Files of heads whose classes are shared out, on any number of ranks.
@Suite(.serialized) struct SharedFileCollectiveTests {
  /// A head and the same numbers of a run for all of it, and for this rank's share.
  struct Head {
    let share: ParameterShare
    let whole, own: [SavedNumbers<Float>]

    init(classes C: Int, isSparse: Bool, hasBias: Bool, width: Int? = nil, over communicator: Communicator) {
      func layer(_ outputs: Int) -> any Layer {
        isSparse
          ? SparseLinear(inputs: 5, outputs: outputs, hasBias: hasBias)
          : Linear(inputs: 5, outputs: outputs, hasBias: hasBias)
      }
      let network = Network(
        width.map {
          [layer($0), Activation(.relu, count: $0), Linear(inputs: $0, outputs: C, hasBias: hasBias)]
        } ?? [layer(C)])
      let share = ParameterShare(network, classes: ClassShards(C, over: communicator))
      self.share = share
      var samples = Samples(seed: 3)
      func vector(_ count: Int) -> Vector<Float> { Vector(samples.normals(count).map { Float($0) }) }
      let P = network.layout.count
      let (θ, best, last, outputs, inputs) = (vector(P), vector(P), vector(P), vector(C), vector(6))
      let average = Vector(samples.normals(P))
      let classes = share.classes!.own
      // Moments are named by the layer's number.
      let moment = "output_moment.\(network.connections.count - 1)"
      whole = [
        .average(average), .parameters(θ), .memory("last_step", last), .memory(moment, outputs),
        .memory("input_moment.0", inputs), .parameters(best, prefix: RunState.bestPrefix),
      ]
      own = [
        .average(share.own(of: average)), .parameters(share.own(of: θ)), .memory("last_step", share.own(of: last)),
        .memory(moment, outputs[classes]), .memory("input_moment.0", inputs),
        .parameters(share.own(of: best), prefix: RunState.bestPrefix),
      ]
    }
  }

  // Fewer classes than some numbers of ranks, and more than fit into one piece of the file.
  @Test(arguments: [2, 7, 300_000], [(false, nil), (true, nil), (false, 3), (true, 3)])
  func `A file is that of one rank, and each rank reads its part`(
    classes: Int, layers: (isSparse: Bool, width: Int?)
  ) throws {
    let isSparse = layers.isSparse
    let world = World.communicator
    let folder = world.isRoot ? TemporaryFolder() : nil
    let paths = try ["shared", "whole"].map { try world.broadcast(folder?.path($0) ?? "") }
    let head = Head(classes: classes, isSparse: isSparse, hasBias: classes != 7, width: layers.width, over: world)
    var description = TensorFile()
    description.metadata = ["a": "b"]
    try Safetensors.save(head.share.file(head.own, describedBy: description), to: paths[0], over: world)
    try world.onRoot {
      try Safetensors.save(head.share.wholeFile(head.whole, describedBy: description), to: paths[1])
      let files = try paths.map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
      #expect(files[0] == files[1])
    }

    let part = try Safetensors.load(path: paths[0], requireChecksum: true) { head.share.part(of: $0, $1) }
    #expect(part.metadata == description.metadata)
    // What is read is the file of a head with this rank's classes alone.
    let expected = ParameterShare(head.share.own).wholeFile(head.own, describedBy: description)
    #expect(part.tensors.map(\.tensor) == expected.tensors.map(\.tensor))
    #expect(part.tensors.map(\.name) == expected.tensors.map(\.name))
    try world.barrier()
  }

  @Test func `A damaged file is refused whatever is read of it, and a folder by all ranks`() throws {
    let world = World.communicator
    let folder = world.isRoot ? TemporaryFolder() : nil
    let path = try world.broadcast(folder?.path("file") ?? "")
    let head = Head(classes: 7, isSparse: false, hasBias: true, over: world)
    try Safetensors.save(head.share.file(head.own, describedBy: TensorFile()), to: path, over: world)
    try world.onRoot {
      var data = try Data(contentsOf: URL(fileURLWithPath: path))
      data[data.count - 3] ^= 1
      try data.write(to: URL(fileURLWithPath: path))
    }
    let error = #expect(throws: StorageError.self) {
      try Safetensors.load(path: path, requireChecksum: true) { _, _ in .nothing }
    }
    #expect(error?.description.contains("checksum") == true)
    try world.barrier()
    #expect(throws: (any Error).self) {
      try Safetensors.save(
        head.share.file(head.own, describedBy: TensorFile()), to: path + "/missing/file", over: world)
    }
    try world.barrier()
  }
}

extension ParameterShare {
  /// Of a vector with all parameters (P), those of this rank.
  func own<Scalar: BLASScalar>(of all: Vector<Scalar>) -> Vector<Scalar> {
    classes.map { network.parameters($0.own, of: all) } ?? all
  }
}
