import Foundation
import Testing

@testable import Training

@Suite struct LastStateTests {
  private func state(_ step: Int) -> LastState.State {
    LastState.State(step: step) {
      var file = TensorFile()
      file.add("step", Tensor([Float(step)]))
      return file
    }
  }

  @Test func `Is that of the last change`() {
    let last = LastState()
    #expect(last.copy() == nil)
    for step in [0, 1, 5] {
      last.endChange(state(step))
      #expect(last.copy()?.step == step)
      #expect(last.copy()?.file == state(step).contents())
    }
    last.endChange(nil)
    #expect(last.copy() == nil)
  }

  @Test func `Is not copied while it changes`() async {
    let last = LastState()
    last.endChange(state(1))
    last.beginChange()
    last.beginChange()
    let copy = Task.detached { last.copy()?.step }
    usleep(200_000)
    last.endChange(state(2))
    #expect(await copy.value == 2)
  }
}
