// Trains a softmax head under mpirun: each rank makes, and keeps, its own share of the examples.
import GaussNewton
import LinearAlgebra
import MPI
import Networks

let runtime = try Runtime.start()
let world = runtime.world

do {
  // This rank's examples; in your program, those that it reads.
  let (count, width, classes) = (4000 / world.size, 64, 10)
  var random = SplitMix64(seed: 1, stream: UInt64(world.rank))
  let features = Matrix(Vector((0..<count * width).map { _ in Float(random.nextNormal()) }), count, width)
  let labels = (0..<count).map { row in
    let scores = features[row: row].array.prefix(classes)
    return Int32(scores.firstIndex(of: scores.max()!)!)
  }

  // The same network and parameters on all ranks.
  let network = try Network([], example: [width], classes: classes)
  let parameters: Vector<Float> = network.initialParameters(seed: 0)
  let share = count / 8
  let optimizer = FastGaussNewton<Float>(network, capacity: share, communicator: world)

  for epoch in 1...5 {
    var report: StepReport?
    for part in 0..<8 {
      // Each rank passes its rows of the batch, and how many rows all ranks have.
      let rows = part * share..<(part + 1) * share
      let batch = Batch(inputs: .dense(features[rows: rows]), labels: labels[rows], globalSize: share * world.size)
      report = try optimizer.advance(parameters, on: batch)
    }
    // The report is the same on all ranks.
    if world.isRoot { print("epoch \(epoch) on \(world.size) ranks: loss \(report!.loss)") }
  }
  runtime.finalize()
} catch {
  // The other ranks would wait for this one.
  print("rank \(world.rank): \(error)")
  runtime.abort(code: 1)
}
