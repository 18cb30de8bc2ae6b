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
    let paths = try ["shared", "passed", "whole"].map { try world.broadcast(folder?.path($0) ?? "") }
    let head = Head(classes: classes, isSparse: isSparse, hasBias: classes != 7, width: layers.width, over: world)
    var description = TensorFile()
    description.metadata = ["a": "b"]
    try Safetensors.save(head.share.file(head.own, describedBy: description), to: paths[0], over: world)
    // As where ranks do not see the file.
    try Safetensors.save(
      head.share.file(head.own, describedBy: description), to: paths[1], over: world, throughRoot: true)
    try world.onRoot {
      try Safetensors.save(head.share.wholeFile(head.whole, describedBy: description), to: paths[2])
      let files = try paths.map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
      #expect(files[0] == files[2] && files[1] == files[2])
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

  /// The last rank may not write, as where its disk is full.
  @Test(.enabled("one rank has nobody to write with it") { World.communicator.size > 1 })
  func `What one rank cannot write is the failure of all, and the old file stays`() throws {
    let world = World.communicator
    let folder = world.isRoot ? TemporaryFolder() : nil
    let path = try world.broadcast(folder?.path("file") ?? "")
    try world.onRoot { try folder!.write("file", [1, 2, 3]) }
    let head = Head(classes: 300, isSparse: false, hasBias: true, over: world)
    let failure = #expect(throws: CollectiveFailure.self) {
      try withFileLimit(world.rank == world.size - 1 ? 1 : nil) {
        try Safetensors.save(head.share.file(head.own, describedBy: TensorFile()), to: path, over: world)
      }
    }
    #expect(failure?.exitCode == 74 && failure?.origin?.rank == world.size - 1)
    #expect(failure?.message.hasPrefix("\(path): write: ") == true)
    try world.barrier()
    if let folder {
      #expect(try folder.names == ["file"])
      #expect(try folder.bytes("file") == [1, 2, 3])
    }
    try world.barrier()
  }

  /// Calls `body` while this process can write no more than so many bytes into a file.
  private func withFileLimit(_ bytes: UInt?, _ body: () throws -> Void) rethrows {
    guard let bytes else { return try body() }
    let resource = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
    let handler = signal(SIGXFSZ, SIG_IGN)
    var before = rlimit()
    getrlimit(resource, &before)
    var limit = rlimit(rlim_cur: bytes, rlim_max: before.rlim_max)
    setrlimit(resource, &limit)
    defer {
      setrlimit(resource, &before)
      signal(SIGXFSZ, handler)
    }
    try body()
  }
}

extension ParameterShare {
  /// Of a vector with all parameters (P), those of this rank.
  func own<Scalar: BLASScalar>(of all: Vector<Scalar>) -> Vector<Scalar> {
    classes.map { network.parameters($0.own, of: all) } ?? all
  }
}
